"""A user's sessions: listed, ended, and over in time."""

import re
from datetime import timedelta
from typing import Any

import pytest
import structlog
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from telemetry.models import Session, User
from telemetry.store.db.connection import Connection
from telemetry.web.sessions.agents import name_agent

pytestmark = pytest.mark.integration

PASSWORD = "a-long-secret-of-mine"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"


@pytest.fixture
def user(connection: Connection) -> User:
    return User.objects.create_user("ana", password=PASSWORD)


def sign_in(agent: str, address: str, name: str = "ana") -> Client:
    client = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    assert client.post("/login/", {"username": name, "password": PASSWORD}).status_code == 302
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/accounts/").status_code == 200


def list_ends(client: Client) -> list[str]:
    """What the page's buttons name."""
    return re.findall(r'name="end" value="(\w+)"', client.get("/sessions/").content.decode())


def test_it_lists_sessions_and_ends_the_one_that_is_chosen(user: User) -> None:
    here, there = sign_in(FIREFOX, "192.0.2.1"), sign_in(EDGE, "192.0.2.2")
    page = here.get("/sessions/").content.decode()
    assert "Firefox, Linux" in page
    assert "Edge, Windows" in page
    assert "192.0.2.1" in page
    assert "192.0.2.2" in page
    assert page.count("this one") == 1
    assert there.session.session_key not in page
    [mark] = list_ends(here)
    here.post("/sessions/", {"end": mark})
    assert is_signed_in(here)
    assert not is_signed_in(there)


def test_it_ends_all_others_and_none_of_other_users(user: User) -> None:
    User.objects.create_user("eva", password=PASSWORD)
    other = sign_in(FIREFOX, "192.0.2.9", "eva")
    here, *others = (sign_in(FIREFOX, f"192.0.2.{number}") for number in range(1, 4))
    [foreign] = [
        mark for mark in list_ends(sign_in(EDGE, "192.0.2.8", "eva")) if mark not in list_ends(here)
    ]
    here.post("/sessions/", {"end": foreign})
    assert is_signed_in(other)
    here.post("/sessions/")
    assert [is_signed_in(client) for client in (here, *others, other)] == [True, False, False, True]


def test_it_lists_none_that_a_new_password_has_ended(user: User) -> None:
    here, _ = sign_in(FIREFOX, "192.0.2.1"), sign_in(EDGE, "192.0.2.2")
    fields = {"old_password": PASSWORD, "new_password1": "another-long-one"}
    here.post("/password/", {**fields, "new_password2": "another-long-one"})
    assert list_ends(here) == []


def test_it_ends_those_of_who_is_switched_off(user: User) -> None:
    client = sign_in(FIREFOX, "192.0.2.1")
    for is_active in (False, True):  # on again, and still not signed in
        user.is_active = is_active
        user.save()
        assert not is_signed_in(client)
    with structlog.testing.capture_logs() as lines:
        user.set_password("another-long-one")
        user.save()
        user.save()
    assert [(line["event"], line["user"]) for line in lines] == [("password_changed", "ana")]


def test_it_ends_in_time_however_often_it_is_used(user: User, settings: Any) -> None:
    client = sign_in(FIREFOX, "192.0.2.1")
    row = Session.objects.get(user=user)
    assert row.expire_date - row.started_at == timedelta(seconds=settings.SESSION_COOKIE_AGE)
    session = client.session
    session["mark"] = 1
    session.save()
    assert Session.objects.get(user=user).expire_date == row.expire_date
    # Used now and then, it is written to once a minute at most.
    before = timezone.now() - timedelta(minutes=5)
    Session.objects.update(used_at=before)
    assert is_signed_in(client)
    used = Session.objects.get(user=user).used_at
    assert used > before
    assert is_signed_in(client)
    assert Session.objects.get(user=user).used_at == used
    Session.objects.update(expire_date=timezone.now())
    assert not is_signed_in(client)
    sign_in(EDGE, "192.0.2.2")
    assert Session.objects.filter(user=user).count() == 1


def test_it_is_ended_by_administrators(user: User) -> None:
    client, admin = sign_in(FIREFOX, "192.0.2.1"), Client()
    admin.force_login(User.objects.create_superuser("root"))
    action = {"action": "end_sessions", "_selected_action": [user.pk]}
    admin.post("/admin/telemetry/user/", action)
    assert not is_signed_in(client)
    [entry] = LogEntry.objects.all()
    assert (entry.object_id, entry.change_message) == (str(user.pk), "sessions ended")


def test_it_names_browsers() -> None:
    assert name_agent("curl/8.5") == "curl"
    assert name_agent("") == ""
    assert name_agent("Mozilla/5.0 (iPhone; CPU iPhone OS 18 like Mac OS X) Safari/604.1") == (
        "Safari, iOS"
    )
