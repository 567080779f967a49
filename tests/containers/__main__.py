"""`python -m tests.containers`: build the images, run compose.yaml, and hold the books.

Publishes a fleet while pools and bridges are scaled, one container of each kind is killed, and all
are started again. Every message that the broker acknowledged must be stored once: `simulate
--verify` compares each with the database, and the delivery report's difference must be 0.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from compose.local.layout import LOCAL
from compose.local.progress import say
from tests.containers.engine import COMPOSE, ContainerError, Docker, choose_engine

LOG = LOCAL / "containers.log"
KINDS = (
    *("worker-ingest", "bridge", "worker-maintenance", "beat", "web", "flower"),
    *("redis", "timescaledb", "mosquitto"),
)
HEALTHY_WITHIN_S = 240.0


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.containers",
        description="Run compose/compose.yaml on Docker, or on Podman with stand-ins made of "
        "Debian's packages; kill a container of each kind under load; check that nothing is lost.",
    )
    parser.add_argument("--messages", type=int, default=60_000, help="to publish (60000)")
    parser.add_argument("--rate", type=float, default=150.0, help="messages a second (150)")
    parser.add_argument(
        "--no-build", action="store_true", help="take the images that the run before has built"
    )
    parsed = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with it
    LOG.parent.mkdir(exist_ok=True)
    LOG.unlink(missing_ok=True)
    try:
        with secrets() as environ:
            engine = choose_engine(environ, LOG)
            say(f"engine {engine.name}; everything that is run is in {LOG}")
            with engine.running():
                if not parsed.no_build:
                    step("build the images", engine.build)
                run(engine, messages=parsed.messages, rate=parsed.rate)
    except ContainerError as error:
        say(f"error: {error}")
        return 1
    return 0


@contextmanager
def secrets() -> Iterator[dict[str, str]]:
    """Secrets and certificates as compose/containers/make-secrets.sh makes them, in a folder of
    their own."""
    folder = Path(tempfile.mkdtemp(prefix="tds-secrets-"))
    try:
        for name in ("containers", "servers"):
            shutil.copytree(COMPOSE / name, folder / name)
        subprocess.run([folder / "containers" / "make-secrets.sh"], check=True, capture_output=True)
        lines = (folder / ".env").read_text(encoding="utf-8").splitlines()
        environ = dict(line.split("=", 1) for line in lines)
        # HTTPS ends at a proxy that is not there; ports of their own, as another stack may run.
        ports = {"WEB_PORT": "18000", "FLOWER_PORT": "15555"}
        ports |= {"MQTT_TLS_PORT": "18883", "MQTT_WS_PORT": "19001", "ENROLMENT_PORT": "18443"}
        yield {**environ, **ports, "WEB_HTTPS": "false"}
    finally:
        shutil.rmtree(folder)


def run(engine: Docker, *, messages: int, rate: float) -> None:
    """The whole run. Raises `ContainerError` at the first thing that does not hold."""
    step("start everything", lambda: up(engine))
    step("load the demo fleet", lambda: load_fleet(engine))
    with ThreadPoolExecutor(1) as publishing:
        fleet = publishing.submit(publish, engine, messages=messages, rate=rate)
        step("scale to 3 workers and 3 bridges", lambda: scale(engine, workers=3, bridges=3))
        for kind in KINDS:
            step(f"kill {kind}", partial(kill, engine, kind))
        step("scale down to 1 and 1", lambda: scale(engine, workers=1, bridges=1))
        step("restart everything", lambda: restart(engine))
        step(f"the fleet ends: {messages:,} messages verified", fleet.result)
    step("the delivery report", lambda: check_report(engine, messages=messages))


def step(what: str, do: Callable[[], object]) -> None:
    """One step, with its time."""
    began_s = time.monotonic()
    said = do()
    words = f": {said}" if isinstance(said, str) else ""
    say(f"{time.monotonic() - began_s:6.1f} s  {what}{words}")


def up(engine: Docker, *arguments: str) -> None:
    """Start what does not run, and wait until all is healthy. The log tells who is not."""
    try:
        engine.compose(
            *("up", "--detach", "--no-build", "--no-recreate", "--wait", *arguments),
            timeout_s=HEALTHY_WITHIN_S,
        )
    except ContainerError:
        engine.compose("ps", "--all")
        engine.compose("logs", "--tail", "20")
        raise


def load_fleet(engine: Docker) -> None:
    """Accounts, gateways and devices of the demo."""
    engine.compose(
        "run", "--rm", "--no-deps", "-T", "manage", "load_fleet", "telemetry/fleet/demo.json"
    )


def publish(engine: Docker, *, messages: int, rate: float) -> None:
    """A fleet that publishes, and compares what it published with the database."""
    engine.compose(
        *("--profile", "fleet", "run", "--rm", "--no-deps", "-T", "fleet"),
        *("python", "manage.py", "simulate", "--gateways", "50", "--rate", str(rate)),
        *("--count", str(messages), "--bad-share", "0.02", "--duplicate-share", "0.02"),
        *("--patience", "300", "--verify", "--timeout", "300"),
        timeout_s=messages / rate + 900,
    )


def scale(engine: Docker, *, workers: int, bridges: int) -> str:
    """So many containers; what runs then."""
    up(engine, "--scale", f"worker-ingest={workers}", "--scale", f"bridge={bridges}")
    status = read_status(engine)
    pools = [pool for pool in status["pools"] if pool["ok"] and "ingest@" in pool["name"]]
    running = [bridge["client_id"].split("-")[1] for bridge in status["bridges"]]
    if len(pools) != workers or sorted(running) != [str(n + 1) for n in range(bridges)]:
        raise ContainerError(f"expected {workers} pools and {bridges} bridges: {status}")
    return f"bridges {', '.join(sorted(running))}"


def kill(engine: Docker, kind: str) -> None:
    """Kill one, and wait until another serves in its place."""
    before = engine.list_containers(kind)
    engine.kill(before[0])
    wait_until_up(engine, "--scale", "worker-ingest=3", "--scale", "bridge=3")


def restart(engine: Docker) -> None:
    """Stop and start all, servers included, in no order: `migrate` may find no database at first,
    and is started again."""
    engine.compose("restart", timeout_s=300)
    wait_until_up(engine)


def wait_until_up(engine: Docker, *arguments: str) -> None:
    """Start what does not run, again while something fails that the engine starts again."""
    give_up_at = time.monotonic() + HEALTHY_WITHIN_S
    while True:
        time.sleep(1)
        try:
            up(engine, *arguments)
        except ContainerError:
            if time.monotonic() > give_up_at:
                raise
        else:
            return


def read_status(engine: Docker) -> Any:
    """What `pipeline_status --json` says; its exit code says that something is not well yet."""
    ask = "python manage.py pipeline_status --json || true"
    return json.loads(_last_line(engine.compose("exec", "-T", "web", "sh", "-c", ask)))


def _last_line(shown: str) -> str:
    """Before it, Compose says what it starts."""
    return shown.splitlines()[-1]


def check_report(engine: Docker, *, messages: int) -> str:
    """The report must balance, with the rows counted, and know of every message."""
    shown = engine.compose(
        *("run", "--rm", "--no-deps", "-T", "manage", "delivery_report", "--json", "--count-rows")
    )
    report = json.loads(_last_line(shown))
    if report["difference"] or report["received"] < messages:
        raise ContainerError(f"the books do not balance: {shown}")
    return f"received {report['received']:,}, difference {report['difference']}"


if __name__ == "__main__":
    sys.exit(main())
