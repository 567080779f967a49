"""The enrolment process for a test, by its own start script."""

import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from compose.local.layout import PYTHON, START_SCRIPTS
from compose.local.stack.programs import limit_addresses
from tests.acceptance.processes import wait_until
from tests.servers.free_ports import find_free_ports


@contextmanager
def run_enrolment(environ: Mapping[str, str], log: Path) -> Iterator[tuple[str, int]]:
    """Its address, while it runs, with no more rights than it has in the stack."""
    [port] = find_free_ports(1)
    folder = environ["MQTT_TLS_FOLDER"]
    limited = limit_addresses(environ, script="enrolment")
    limited.pop("CA_PASSPHRASE", None)
    own = {
        "ENROLMENT_BIND": f"127.0.0.1:{port}",
        "ENROLMENT_CERT_FILE": f"{folder}/broker.crt",
        "ENROLMENT_KEY_FILE": f"{folder}/broker.key",
        "PATH": f"{PYTHON.parent}:/usr/bin:/bin",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [START_SCRIPTS / "enrolment"], env={**limited, **own}, stdout=output, stderr=output
        )

    def is_open() -> bool:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(is_open, timeout_s=60, what=log.read_text)
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(30)
