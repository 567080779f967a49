"""The CA of gateways in the local stack (telemetry/certificates), made at the first start.

For the demo and the tests: the root's key, which belongs offline, lies beside the others.
"""

import subprocess

from compose.local.layout import PYTHON, REPOSITORY, StackError
from compose.local.servers.server import Place

BUNDLE = "gateways-ca.crt"


def list_ca_settings(place: Place, *, passphrase: str) -> dict[str, str]:
    """The settings of processes that use the CA."""
    return {
        "CA_FOLDER": str(place.folder / "ca"),
        "CA_PASSPHRASE": passphrase,
        "CA_CRL_FILE": str(place.folder / "crl" / "crl.pem"),
        "CA_BROKER_CA_FILE": str(place.folder / "mosquitto" / "tls" / "ca.crt"),
    }


def ensure_gateway_ca(place: Place, *, passphrase: str) -> str:
    """Make it where there is none; what the broker has to trust, as PEM. Raises `StackError`."""
    folder = place.folder / "ca"
    settings = list_ca_settings(place, passphrase=passphrase)
    # A folder of its own, which the broker's user may read.
    (place.folder / "crl").mkdir(mode=0o755, exist_ok=True)
    if not (folder / "intermediate.key").exists():
        done = subprocess.run(
            [str(PYTHON), "-m", "telemetry.certificates", str(place.folder / "ca-root")],
            cwd=REPOSITORY,
            env={**settings, "CA_ROOT_PASSPHRASE": passphrase},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"the CA of gateways was not made: {done.stderr.strip()}")
    return (folder / BUNDLE).read_text(encoding="ascii")
