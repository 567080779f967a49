"""Fragments that are rendered once for all members of an account, and for nobody else."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection as django_connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.safestring import SafeString

from telemetry.models import Account, Membership, User
from telemetry.store.db.connection import Connection
from telemetry.web import fragment_cache
from telemetry.web.account_page import AccountRequest
from telemetry.web.fragment_cache import Fragments, cache_fragments
from tests.consumption import Site
from tests.integration.web.metered import device_of, open_account, receive

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def mindful(forgetful: None, settings: Any) -> Iterator[None]:
    """A cache in memory, as a web process has it, empty."""
    settings.CACHES = {
        name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": name}
        for name in ("default", "fragments")
    }
    for cache in caches.all():
        cache.clear()
    yield
    for cache in caches.all():
        cache.clear()


def page_of(site: Site, client: Client, query: str = "", **headers: str) -> str:
    reply = client.get(f"/accounts/{site.account_id}/{query}", headers=headers)
    assert reply.status_code == 200
    return reply.content.decode()


def add_viewer(site: Site) -> Client:
    """Another member of the account, who is signed in."""
    user = User.objects.create_user(f"second-{site.account_id}")
    Membership.objects.create(user=user, account_id=site.account_id, role="viewer")
    client = Client()
    client.force_login(user)
    return client


def test_it_reads_the_aggregates_once_for_all_members(connection: Connection) -> None:
    site, client = open_account(connection)
    receive(connection, (site, timezone.now(), "1234.5"))
    first = page_of(site, client)
    other = add_viewer(site)
    page_of(site, other)  # their session knows the account now
    with CaptureQueriesContext(django_connection) as queries:
        page = page_of(site, other)
        pages = [
            other.get(f"/accounts/{site.account_id}/live/{part}/").content.decode()
            for part in ("state", "aggregates")
        ]
    assert "1,234.5" in first
    assert "1,234.5" in page
    assert all("1,234.5" in part for part in pages)
    texts = [one["sql"] for one in queries]
    about = [text for text in texts if "device" in text or "FROM reading" in text]
    assert about == []
    assert len(queries) <= 3 * 5


def test_it_shows_what_is_new_at_once(connection: Connection) -> None:
    site, client = open_account(connection)
    receive(connection, (site, timezone.now(), "1234.5"))
    page_of(site, client)
    receive(connection, (site, timezone.now(), "77.25"))
    page = page_of(site, client)
    assert "77.25" in page
    assert "1,311.75" in page  # the total of the day


def test_it_never_shows_it_to_another_account_language_or_choice(connection: Connection) -> None:
    site, client = open_account(connection)
    foreign, stranger = open_account(connection)
    receive(connection, (site, timezone.now(), "1234.5"), (foreign, timezone.now(), "77.25"))
    page = page_of(site, client)
    assert "Latest readings" in page
    assert "1,234.5" not in page_of(foreign, stranger)
    for path in ("", "live/state/", "live/aggregates/"):
        assert stranger.get(f"/accounts/{site.account_id}/{path}").status_code == 404
    assert "Latest readings" not in page_of(site, client, **{"Accept-Language": "pt-br"})
    assert "Latest readings" in page_of(site, client)
    none = page_of(site, client, f"?device={foreign.device_id}")
    assert "No device matches the filter" in none
    refused = client.get(f"/accounts/{site.account_id}/?period=fortnight")
    again = client.get(f"/accounts/{site.account_id}/?period=fortnight")
    assert (refused.status_code, again.status_code) == (400, 400)


def test_it_forgets_after_seconds(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    site, client = open_account(connection)
    receive(connection, (site, timezone.now(), 5))
    monkeypatch.setattr("telemetry.web.overview.views.AGGREGATES_S", 0.2)
    monkeypatch.setattr("telemetry.web.overview.views.STATE_S", 0.2)
    name = device_of(site).name
    assert name in page_of(site, client)
    connection.execute("UPDATE device SET name = 'Another name'")
    time.sleep(0.3)
    page = page_of(site, client)
    assert "Another name" in page
    assert name not in page


def make_request() -> AccountRequest:
    request: Any = RequestFactory().get("/")
    request.account = Account(pk=1)
    return request


def test_it_renders_once_when_many_ask_at_once() -> None:
    rendered: list[str] = []
    started = threading.Barrier(4)

    def render() -> Fragments:
        time.sleep(0.1)
        rendered.append(threading.current_thread().name)
        return Fragments({"part": SafeString("x")})

    found: list[Fragments] = []

    def ask() -> None:
        started.wait()
        found.append(cache_fragments(make_request(), name="p", tag="t", seconds=9, render=render))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rendered) == 1
    assert [parts.html["part"] for parts in found] == ["x"] * 4


def test_it_renders_itself_when_the_other_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragment_cache, "LONGEST_WAIT_S", 0.05)
    is_free, is_stuck = threading.Event(), threading.Event()

    def get_stuck() -> Fragments:
        is_stuck.set()
        is_free.wait(10)
        return Fragments({"part": SafeString("late")})

    def ask(render: Any) -> Fragments:
        return cache_fragments(make_request(), name="p", tag="t", seconds=9, render=render)

    other = threading.Thread(target=ask, args=[get_stuck])
    other.start()
    assert is_stuck.wait(10)
    assert ask(lambda: Fragments({"part": SafeString("mine")})).html["part"] == "mine"
    is_free.set()
    other.join()


def test_it_renders_again_after_a_failure() -> None:
    def fail() -> Fragments:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cache_fragments(make_request(), name="p", tag="t", seconds=9, render=fail)
