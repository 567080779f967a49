"""`python -m tests.upgrade --before COMMIT`: upgrade under load, as operators do.

The release before runs, and messages arrive. This one migrates the database under it; then bridges,
pools and web processes of both serve one queue and one database, in every order: this one's pool
stores what the bridge before has written, and the other way round. No message may be lost, no page
may fail.
"""

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from compose.local.layout import REPOSITORY, StackError
from compose.local.progress import say
from tests.bench.rig import Rig
from tests.bench.visitor import Visitor
from tests.servers.free_ports import find_free_ports
from tests.upgrade.release import Release, check_out

PHASE_S = 10.0
PAGES = (
    *("/health", "/login/", "/accounts/{account}/", "/accounts/{account}/live/state/"),
    *("/accounts/{account}/devices/", "/accounts/{account}/reports/"),
)
PERCENTILES = (
    "SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP ("
    " ORDER BY extract(epoch FROM stored_at - received_at))"
    " FROM batch, generate_series(1, messages) WHERE received_at >= to_timestamp(%s)"
)


class Readers:
    """Someone who opens pages all the time, of whichever web process serves."""

    def __init__(self, port: int, *, session: str, place: dict[str, Any]) -> None:
        self.port = port
        self.opened = 0
        self.errors: list[str] = []
        self._session = session
        self._paths = [page.format(**place) for page in PAGES]
        self._is_over = threading.Event()

    def run(self) -> None:
        """Open one page after the other."""
        while not self._is_over.wait(0.05):
            path = self._paths[self.opened % len(self._paths)]
            answer = Visitor(self.port, session=self._session).get(path)
            self.opened += 1
            if answer.status not in (200, 302, 304):
                self.errors.append(f"{path}: {answer.status} {answer.text[:200]!r}")

    def stop(self) -> None:
        """Open no more."""
        self._is_over.set()


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument("--before", required=True, metavar="COMMIT", help="the release before")
    parser.add_argument("--rate", type=float, default=500.0, help="messages a second (500)")
    parser.add_argument("--seconds", type=float, default=120.0, help="of load (120)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with it
    try:
        with tempfile.TemporaryDirectory(prefix="upgrade-") as folder:
            check_out(options.before, Path(folder) / "before")
            with Rig(concurrency=2, migrates=False) as rig:
                before = Release(rig, "before", folder=Path(folder) / "before")
                upgrade(rig, before, Release(rig, "now", folder=REPOSITORY), options)
    except StackError as error:
        say(f"error: {error}")
        return 1
    return 0


def upgrade(rig: Rig, before: Release, now: Release, options: Any) -> None:
    """The whole of it. Raises `StackError`."""
    before.manage("migrate", "--noinput", "--verbosity", "0")
    before.manage("simulate", "--gateways", "50", "--rate", "0", "--count", "1")
    session, place = before.enter_member()
    ports = find_free_ports(2)
    web = before.start_web(ports[0], session=session)
    maintenance, beat = before.start("worker-maintenance"), before.start("beat")
    bridge, pool = before.start_bridge("bridge-1"), before.start_pool()
    readers = Readers(ports[0], session=session, place=place)
    count = int(options.rate * options.seconds)
    began_at = time.time()
    with ThreadPoolExecutor(2) as threads, reading(readers, threads):
        fleet = threads.submit(publish, before, rate=options.rate, count=count)
        phase("the release before")
        say(f"migrated, {now.migrate()} time(s)")
        phase("migrated under the release before")
        other_pool = now.start_pool()
        pool.stop()
        phase("the bridge before, this pool")
        now.start_web(ports[1], session=session)
        readers.port = ports[1]
        time.sleep(1)
        web.stop()
        now.start("worker-maintenance", MAINTENANCE_POOL="maintenance-now")
        maintenance.stop()
        beat.stop()
        now.start("beat")
        pool = before.start_pool()
        other_pool.stop()
        bridge.stop()
        bridge = now.start_bridge("bridge-1")
        phase("this bridge, the pool before: as after a step back")
        other_pool = now.start_pool()
        pool.stop()
        phase("this release")
        fleet.result()
    p50, p99 = read_percentiles(rig, since=began_at)
    bridge.stop()
    other_pool.stop()
    now.manage("delivery_report", "--count-rows")
    say(f"{count:,} messages at {options.rate:g}/s, each compared: stored once, difference 0")
    say(f"from receipt to row: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    say(f"{readers.opened:,} pages opened, {len(readers.errors)} errors")
    problems = readers.errors[:5] + before.find_tracebacks() + now.find_tracebacks()
    if problems:
        raise StackError("\n".join(["not without a fault:", *problems]))


@contextmanager
def reading(readers: Readers, threads: ThreadPoolExecutor) -> Iterator[None]:
    """Pages are opened as long as the block runs."""
    threads.submit(readers.run)
    try:
        yield
    finally:
        readers.stop()


def phase(what: str) -> None:
    """Leave everything as it is for a while."""
    say(f"{what}: {PHASE_S:g} s")
    time.sleep(PHASE_S)


def publish(release: Release, *, rate: float, count: int) -> None:
    """A fleet that publishes, and compares what it published with the database."""
    release.manage(
        *("simulate", "--gateways", "50", "--rate", str(rate), "--count", str(count)),
        *("--bad-share", "0.02", "--duplicate-share", "0.02", "--patience", "120"),
        *("--seed", "7", "--verify", "--timeout", "180"),
    )


def read_percentiles(rig: Rig, *, since: float) -> tuple[float, float]:
    """Seconds from the receipt of a message to its row: the median, and what 1% exceeds."""
    with psycopg.connect(rig.environ["DATABASE_URL"]) as connection:
        row: Any = connection.execute(PERCENTILES, [since]).fetchone()
    return float(row[0][0]), float(row[0][1])


if __name__ == "__main__":
    sys.exit(main())
