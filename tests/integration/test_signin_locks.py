"""Locks of the sign-in are seen and lifted in the admin, by those who may, and recorded."""

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from telemetry.models import SignInFailure, User
from telemetry.store.db.connection import Connection

pytestmark = pytest.mark.integration

LIST = "/admin/telemetry/signinfailure/"
PASSWORD = "a-long-secret-of-mine"
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture(autouse=True)
def users(connection: Connection) -> None:
    for name in ("ana", "eva"):
        User.objects.create_user(name, password=PASSWORD)


def log_in(*permissions: str) -> Client:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def try_login(name: str, password: str, address: str = HERE) -> int:
    fields = {"username": name, "password": password}
    return Client().post("/login/", fields, REMOTE_ADDR=address).status_code


def lock(address: str) -> None:
    for name in ("ana", "eva"):
        for _ in range(5):
            try_login(name, "wrong", address)
    assert try_login("ana", PASSWORD, address) == 429


def test_it_lifts_the_lock_of_an_address_and_no_other() -> None:
    lock(HERE)
    lock(THERE)
    client = log_in("view_signinfailure", "delete_signinfailure", "see_every_account")
    page = client.get(LIST).content.decode()
    assert "Sign-in locks" in page
    assert page.count("locked until about") == 4
    one = SignInFailure.objects.get(username="ana", ip_address=HERE)
    action = {"action": "lift", "_selected_action": [one.pk]}
    asked = client.post(LIST, action).content.decode()
    assert "Forget all failed sign-ins from these addresses?" in asked
    assert f"{HERE}: ana" in asked
    assert SignInFailure.objects.filter(ip_address=HERE).count() == 2, "nothing by asking"
    told = client.post(LIST, {**action, "confirmed": "yes"}, follow=True).content.decode()
    assert "1 lock lifted." in told
    assert try_login("ana", PASSWORD, HERE) == 302
    assert try_login("ana", PASSWORD, THERE) == 429
    [entry] = LogEntry.objects.filter(content_type__model="signinfailure")
    assert (entry.actor.get_username(), entry.object_repr) == ("clerk", f"{HERE}: ana, eva")  # type: ignore[union-attr]
    [(before, after)] = entry.changes_dict.values()
    assert (before, after) == ("10", "0")


def test_it_says_what_counts_and_what_is_over() -> None:
    for _ in range(3):
        try_login("ana", "wrong")
    client = log_in("view_signinfailure", "see_every_account")
    assert ">counts<" in "".join(client.get(LIST).content.decode().split())
    failure = SignInFailure.objects.get()
    SignInFailure.objects.update(attempt_time=failure.attempt_time - timedelta(minutes=16))
    assert ">over<" in "".join(client.get(LIST).content.decode().split())
    assert "No results" not in client.get(f"{LIST}?q=ana").content.decode()
    assert client.get(f"{LIST}?locked=1").context["cl"].result_count == 0
    change = client.get(f"{LIST}{failure.pk}/change/")
    assert change.status_code == 200
    assert PASSWORD not in change.content.decode()


@pytest.mark.parametrize(
    "permissions",
    [
        (),
        ("view_signinfailure", "see_every_account"),
        ("view_signinfailure", "delete_signinfailure"),
    ],
)
def test_it_lifts_nothing_for_others(permissions: tuple[str, ...]) -> None:
    """The last ones are staff of single accounts."""
    lock(HERE)
    client = log_in(*permissions)
    keys = list(SignInFailure.objects.values_list("pk", flat=True))
    client.post(LIST, {"action": "lift", "_selected_action": keys, "confirmed": "yes"})
    assert SignInFailure.objects.count() == 2
    assert client.get(LIST).status_code == (200 if "see_every_account" in permissions else 403)
    failure = SignInFailure.objects.first()
    assert failure is not None
    assert client.post(f"{LIST}{failure.pk}/delete/", {"post": "yes"}).status_code == 403
