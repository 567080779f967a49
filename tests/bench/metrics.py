"""What metrics cost: the drain with them and without, in turns on the same servers.

Without: pools count no stages, and no metrics process runs. With: both, and a scrape every few
seconds. CPU time a message says more than the rate, which varies from run to run; the metrics
process stands apart, as what it costs does not grow with the messages but with time. The start of
that process is left out: it is no part of the way of a message.
"""

import statistics
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from urllib.request import urlopen

from tests.bench.drain import Drain, drain_again
from tests.bench.results import Run
from tests.bench.rig import Rig, tree_seconds, wait_until
from tests.servers.free_ports import find_free_ports

SCRAPE_S = 5.0
ALL = "all, us"


class Scraper:
    """Reads all metrics every few seconds, as Prometheus does, from `with` to its end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.count = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._scrape, daemon=True)

    def __enter__(self) -> "Scraper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _scrape(self) -> None:
        while True:
            with urlopen(self._url, timeout=30) as answer:
                answer.read()
            self.count += 1
            if self._is_over.wait(SCRAPE_S):
                return


def run_metrics(plan: Drain, *, pairs: int, say: Callable[[str], None]) -> Run:
    """Medians of both ways, and what the difference is of the cost without."""
    found: dict[bool, list[Run]] = {False: [], True: []}
    with Rig(concurrency=plan.concurrency) as rig:
        drain_again(rig, plan, number=0)  # what is slower once: files, caches, plans
        number = 1
        for pair in range(pairs):
            for has_metrics in (False, True) if pair % 2 == 0 else (True, False):
                run = _drain(rig, plan, number=number, has_metrics=has_metrics)
                found[has_metrics].append(run)
                words = "with" if has_metrics else "without"
                say(f"{words}: {run['messages a second']:,.0f} a second, {run[ALL]:.2f} us")
                number += 1
    without, beside = found[False], found[True]
    costs = [a[ALL] / b[ALL] * 100 - 100 for a, b in zip(beside, without, strict=True)]
    process = [each["metrics process, us"] / each[ALL] * 100 for each in beside]
    return {
        "cost on the way of a message, %": statistics.median(costs),
        "the metrics process beside it, %": statistics.median(process),
        "without, us": statistics.median(each[ALL] for each in without),
        "with, us": statistics.median(each[ALL] for each in beside),
        "without, messages a second": statistics.median(
            each["messages a second"] for each in without
        ),
        "with, messages a second": statistics.median(each["messages a second"] for each in beside),
        "scrapes": statistics.median(each["scrapes"] for each in beside),
    }


def _drain(rig: Rig, plan: Drain, *, number: int, has_metrics: bool) -> Run:
    rig.environ["METRICS_STAGES"] = str(has_metrics).lower()
    if not has_metrics:
        return drain_again(rig, plan, number=number)
    [port] = find_free_ports(1)
    url = f"http://127.0.0.1:{port}/metrics"
    process = rig.start("metrics", METRICS_PORT=str(port))
    wait_until(lambda: _answers(url), timeout_s=60, what="the metrics process answers")
    started_s = tree_seconds(process.pid)
    try:
        with Scraper(url) as scraper:
            begun_s = time.monotonic()
            run = drain_again(rig, plan, number=number)
            lasted_s = time.monotonic() - begun_s
        spent_s = tree_seconds(process.pid) - started_s
    finally:
        process.stop()
    # It serves all the while; its share is that of the time in which messages were stored.
    share = plan.count / run["messages a second"] / lasted_s
    return {
        **run,
        "metrics process, us": spent_s * share / plan.count * 1e6,
        "scrapes": scraper.count,
    }


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=30):
            return True
    except (OSError, HTTPException):
        return False
