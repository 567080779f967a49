"""`python -m tests.monitoring`: a Prometheus scrapes a running system, and every alert is caused.

Each query of the dashboard must have data. Then the cause of each alert of the runbook is brought
about and ended: the alert must be raised once and cleared once. Delays and windows of the rules are
short here, as is the age of what waits; everything else is as in `compose/monitoring`.
"""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from compose.local.layout import StackError
from compose.local.progress import say
from tests.bench.rig import Rig
from tests.monitoring.causes import CAUSES, GATEWAYS, System, small_disk
from tests.monitoring.prometheus import Prometheus, list_dashboard_queries
from tests.servers.free_ports import find_free_ports

WITHIN_S = 150.0  # some metrics are read once a minute
FLOW_S = 25.0


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.monitoring", description=__doc__)
    parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with it
    target, port = find_free_ports(2)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="monitoring-") as name,
            small_disk(Path(name) / "disk") as disk,
            Rig(concurrency=2) as rig,
        ):
            system = System(rig, disk=disk, metrics_port=target)
            with Prometheus(Path(name), port=port, target=target) as prometheus:
                ask_dashboard(system, prometheus)
                cause_alerts(system, prometheus)
            rig.manage("delivery_report", "--count-rows")
    except StackError as error:
        say(f"error: {error}")
        return 1
    return 0


def ask_dashboard(system: System, prometheus: Prometheus) -> None:
    """Let messages flow, then ask what every panel asks. Raises `StackError` if one gets none."""
    arguments = ("--rate", "50", "--seconds", str(FLOW_S + 10), "--gateways", str(GATEWAYS))
    system.send(*arguments)
    system.send("--rate", "1", "--seconds", str(FLOW_S), "--gateways", "1", "--from-1970")
    time.sleep(FLOW_S)
    queries = list_dashboard_queries()
    empty = [query for query in queries if not prometheus.query(query)]
    say(f"dashboard: {len(queries) - len(empty)} of {len(queries)} queries have data")
    if empty:
        raise StackError("no data for " + "; ".join(empty))


def cause_alerts(system: System, prometheus: Prometheus) -> None:
    """Raise and clear each alert. Raises `StackError` for one that is not, or not once."""
    wait_for(prometheus, set(), what="all is well")
    caused: set[str] = set()
    for cause in CAUSES:
        told = cause.__name__.replace("_", " ")
        prometheus.raised.clear()
        prometheus.cleared.clear()
        wanted: set[str] = set()
        for names in cause(system):
            wanted |= names
            took_s = wait_for(prometheus, names, what=f"{told} raises")
            say(f"{told}: {', '.join(sorted(names))}: raised after {took_s:.0f} s")
        took_s = wait_for(prometheus, set(), what=f"{told} is over, and leaves")
        say(f"{told}: over, all cleared after {took_s:.0f} s")
        for name in wanted:
            counts = prometheus.raised[name], prometheus.cleared[name]
            if counts != (1, 1):
                raise StackError(f"{name} was raised and cleared {counts} times, not once")
        caused |= wanted
    if missing := set(prometheus.alerts) - caused:
        raise StackError(f"nothing here causes {', '.join(sorted(missing))}")
    say(f"{len(caused)} alerts, each raised once by its cause, and cleared once")


def wait_for(prometheus: Prometheus, names: set[str], *, what: str) -> float:
    """Until these alerts are raised, or, if there are none, until all are cleared; seconds."""
    started_s = time.monotonic()
    while True:
        prometheus.look()
        if prometheus.firing >= names and (names or not prometheus.firing):
            return time.monotonic() - started_s
        if time.monotonic() - started_s > WITHIN_S:
            wanted = ", ".join(sorted(names)) or "nothing"
            firing = ", ".join(sorted(prometheus.firing)) or "nothing"
            raise StackError(f"not within {WITHIN_S:g} s: {what} {wanted}; firing: {firing}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
