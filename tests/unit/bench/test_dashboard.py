"""The visitors of `bench dashboard` against a small web server, and the arithmetic of figures."""

import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.urls import resolve

from compose.local.layout import StackError
from tests.bench.addresses import ENDPOINTS, LIVE, PAGES, Place, fill_in
from tests.bench.alone import WARM_TIMES, Tour
from tests.bench.crowd import ARRIVAL, Crowd, Habit, describe_answers, list_errors
from tests.bench.flow import Flow, Sample, stored_rate
from tests.bench.results import percentiles
from tests.bench.rig import wait_until
from tests.bench.visitor import Answer, Visitor
from tests.servers.free_ports import find_free_ports

PLACE = Place(account=3, gateway=5, device=7)
TODAY = date(2026, 11, 28)
TAG = '"as it is"'


class Site(ThreadingHTTPServer):
    """Answers everything with one tag; `seen` are path, session and tag of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str | None, str | None]] = []


class Handler(BaseHTTPRequestHandler):
    """304 for whoever has the tag, 404 below /gone/."""

    def do_GET(self) -> None:
        site: Any = self.server
        tag = self.headers["If-None-Match"]
        site.seen.append((self.path, self.headers["Cookie"], tag))
        status = 404 if self.path.startswith("/gone/") else 304 if tag == TAG else 200
        body = b"" if status == 304 else b"words"
        self.send_response(status)
        self.send_header("ETag", TAG)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def visit(site: Site) -> Visitor:
    return Visitor(site.server_port, session="secret")


def test_it_asks_in_the_name_of_a_member_and_with_the_tag_that_it_knows(site: Site) -> None:
    visitor = visit(site)
    first = visitor.get("/page/")
    second = visitor.get("/page/", tag=first.tag)
    assert (first.status, first.tag, first.text) == (200, TAG, b"words")
    assert (second.status, second.tag, second.text) == (304, TAG, b"")
    assert first.is_good
    assert second.is_good
    assert first.ms > 0
    assert site.seen == [
        ("/page/", "sessionid=secret", None),
        ("/page/", "sessionid=secret", TAG),
    ]


def test_it_says_what_is_wrong_when_nobody_answers() -> None:
    [port] = find_free_ports(1)
    answer = Visitor(port, session="secret").get("/page/")
    assert answer.status == 0
    assert not answer.is_good
    assert b"ConnectionRefusedError" in answer.text


def test_it_asks_once_for_the_page_and_then_for_its_part_with_the_newest_tag(site: Site) -> None:
    habit = Habit("live state", "/accounts/{account}/live/state/", 0.01)
    with Crowd([visit(site)], places=[PLACE], habits=[habit]) as crowd:
        wait_until(lambda: len(crowd.answers) >= 4, timeout_s=10, what="four answers")
    names = [name for name, _ in crowd.answers]
    assert names == [ARRIVAL.name] + [habit.name] * (len(names) - 1)
    assert [path for path, _, _ in site.seen[:2]] == ["/accounts/3/", "/accounts/3/live/state/"]
    assert [tag for _, _, tag in site.seen[:4]] == [None, None, TAG, TAG]
    assert [answer.status for _, answer in crowd.answers[:4]] == [200, 200, 304, 304]


def test_it_opens_every_address_so_often_and_watches_the_live_parts(site: Site) -> None:
    run = Tour(visit(site), places=[PLACE]).measure(times=2)
    assert len(site.seen) == (len(PAGES) + len(LIVE) + len(ENDPOINTS)) * (WARM_TIMES + 2)
    assert run["overview, 7 days, p95, ms"] >= run["overview, 7 days, p50, ms"] > 0
    assert run["API, me, p50, ms"] > 0
    watched = [tag for path, _, tag in site.seen if path == "/accounts/3/live/state/" and tag]
    assert watched == [TAG] * (WARM_TIMES + 1)


def test_it_fails_when_a_page_does_not_answer_as_it_should(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bench.alone.PAGES", {**PAGES, "lost": "/gone/{account}/"})
    with pytest.raises(StackError, match="lost: status 404, expected 200: words"):
        Tour(visit(site), places=[PLACE]).measure(times=1)


@pytest.mark.parametrize("address", [*PAGES.values(), *ENDPOINTS.values()])
def test_it_knows_addresses_that_the_site_has(address: str) -> None:
    path, _, query = fill_in(address, place=PLACE, today=TODAY).partition("?")
    assert callable(resolve(path).func)
    assert "{" not in path + query


def test_it_fills_in_days_around_today() -> None:
    address = fill_in(
        "/{account}/{gateway}/{device}?{year}&{month}&{until}", place=PLACE, today=TODAY
    )
    assert address == "/3/5/7?2025-11-28&2026-10-28&2026-11-29"


def test_it_counts_what_members_waited_for_and_what_went_wrong() -> None:
    answers = [
        ("overview", Answer(40.0, 200, None, b"page")),
        ("live state", Answer(10.0, 200, TAG, b"part")),
        ("live state", Answer(2.0, 304, TAG, b"")),
        ("live state", Answer(9.0, 500, None, b"traceback")),
        ("live state", Answer(9.0, 500, None, b"traceback")),
        ("overview", Answer(1.0, 0, None, b"TimeoutError()")),
    ]
    run = describe_answers(answers, seconds=3.0)
    assert run["requests a second"] == 2.0
    assert run["errors"] == 3.0
    assert run["not modified, %"] == pytest.approx(100 / 6)
    assert run["live state, p50, ms"] == 9.0
    assert run["all, p95, ms"] == 40.0
    assert list_errors(answers) == [
        "live state: 500 (2 times)",
        "overview: TimeoutError() (1 times)",
    ]


def test_it_takes_percentiles_of_what_was_measured() -> None:
    assert percentiles([float(n) for n in range(100, 0, -1)]) == {"p50": 51.0, "p95": 96.0}


def test_it_leaves_the_first_fifth_of_a_flow_out_of_its_rate() -> None:
    samples = [Sample(0.0, 0, 0), Sample(2.0, 900, 100), Sample(6.0, 5_000, 4_100)]
    samples.append(Sample(10.0, 9_000, 8_100))
    flow = Flow(900.0, 10.0, 9_000, samples, {}, 10.0)
    assert stored_rate(flow) == pytest.approx(1_000.0)
