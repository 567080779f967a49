"""Staff who may change users can neither make administrators nor become one."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from telemetry.accounts.tokens import issue_token
from telemetry.models import ApiToken, User
from telemetry.store.db.connection import Connection

pytestmark = pytest.mark.integration

USERS = "/admin/telemetry/user/"
TOKENS = "/admin/telemetry/apitoken/"
NEW = "another-long-one"


@pytest.fixture
def member(connection: Connection) -> User:
    return User.objects.create_user("member", email="member@example.com", password=NEW)


@pytest.fixture
def root(connection: Connection) -> User:
    return User.objects.create_superuser("root", email="root@example.com", password=NEW)


@pytest.fixture
def clerk(connection: Connection) -> User:
    """Staff with every right that can be given, but no administrator."""
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    return user


@pytest.fixture
def client(clerk: User) -> Client:
    client = Client()
    client.force_login(clerk)
    return client


def change(client: Client, user: User, **fields: Any) -> int:
    """Send the form of a user, as it stands but for these fields."""
    given = {
        "username": user.username, "email": user.email, "is_active": "on",
        "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00",
        "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0", **fields,
    }  # fmt: skip
    return client.post(f"{USERS}{user.pk}/change/", given).status_code


def test_it_lets_staff_change_users_without_raising_them(client: Client, member: User) -> None:
    raised = {
        "is_staff": "on", "is_superuser": "on",
        "user_permissions": [Permission.objects.all()[0].pk],
        "groups": [Group.objects.create(name="all").pk],
    }  # fmt: skip
    assert change(client, member, email="new@example.com", **raised) == 302
    member.refresh_from_db()
    assert member.email == "new@example.com"
    assert not member.is_staff
    assert not member.is_superuser
    assert not member.user_permissions.exists()
    assert not member.groups.exists()


@pytest.mark.parametrize("name", ["root", "clerk", "colleague"])
def test_it_lets_staff_take_over_no_administrator_and_no_staff(
    client: Client, root: User, name: str
) -> None:
    User.objects.create_user("colleague", is_staff=True)
    user = User.objects.get(username=name)
    before = (user.email, user.password)
    assert change(client, user, email="evil@example.com", is_superuser="on") == 403
    fields = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert client.post(f"{USERS}{user.pk}/password/", fields).status_code == 403
    assert client.post(f"{USERS}{user.pk}/delete/", {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    client.post(USERS, action)
    user.refresh_from_db()
    assert (user.email, user.password) == before
    assert user.is_superuser == (name == "root")


def test_it_lets_staff_change_no_groups(client: Client) -> None:
    group = Group.objects.create(name="all")
    fields = {"name": "all", "permissions": [Permission.objects.all()[0].pk]}
    assert client.post(f"/admin/auth/group/{group.pk}/change/", fields).status_code == 403
    assert client.post("/admin/auth/group/add/", {"name": "x"}).status_code == 403


def test_it_lets_administrators_do_all_that(root: User, member: User) -> None:
    client = Client()
    client.force_login(root)
    assert change(client, member, is_staff="on", is_superuser="on") == 302
    member.refresh_from_db()
    assert member.is_superuser
    assert client.get("/admin/auth/group/add/").status_code == 200


def test_it_lists_tokens_and_revokes_them_after_a_question(root: User, member: User) -> None:
    client = Client()
    client.force_login(root)
    token, secret = issue_token(member, name="nightly export", scopes=["read"])
    page = client.get(TOKENS).content.decode()
    assert "nightly export" in page
    assert token.prefix in page
    assert secret not in client.get(f"{TOKENS}{token.pk}/change/").content.decode()
    action = {"action": "revoke", "_selected_action": [token.pk]}
    assert "Revoke 1 token?" in client.post(TOKENS, action).content.decode()
    assert ApiToken.objects.get().revoked_at is None
    assert client.post(TOKENS, {**action, "confirmed": "yes"}).status_code == 302
    assert ApiToken.objects.get().revoked_at is not None


SEES_TOKENS = ("view_apitoken", "see_every_account")


def test_it_lets_only_those_revoke_tokens_who_may_change_them(member: User) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__in=SEES_TOKENS))
    client = Client()
    client.force_login(viewer)
    token, _ = issue_token(member, name="nightly export", scopes=["read"])
    assert "nightly export" in client.get(TOKENS).content.decode()
    action = {"action": "revoke", "_selected_action": [token.pk], "confirmed": "yes"}
    client.post(TOKENS, action)
    assert ApiToken.objects.get().revoked_at is None


def test_it_lets_who_may_see_the_schedule_not_switch_it(connection: Connection) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    seen = ("view_periodictask", "see_every_account")
    viewer.user_permissions.set(Permission.objects.filter(codename__in=seen))
    client, schedule = Client(), "/admin/django_celery_beat/periodictask/"
    client.force_login(viewer)
    interval = IntervalSchedule.objects.create(every=1, period="hours")
    task = PeriodicTask.objects.create(name="x", task="telemetry.x", interval=interval)
    for action in ("disable_tasks", "toggle_tasks"):
        client.post(schedule, {"action": action, "_selected_action": [task.pk]})
        assert PeriodicTask.objects.get(pk=task.pk).enabled, action
    viewer.user_permissions.add(Permission.objects.get(codename="change_periodictask"))
    client.post(schedule, {"action": "disable_tasks", "_selected_action": [task.pk]})
    assert not PeriodicTask.objects.get(pk=task.pk).enabled
