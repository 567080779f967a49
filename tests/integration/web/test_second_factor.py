"""The second factor: nobody is signed in before the code, and nobody guesses it."""

import re
import time
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from telemetry.accounts.second_factor import has_second_factor, renew_recovery_codes, turn_on
from telemetry.accounts.tokens import issue_token
from telemetry.models import User
from telemetry.store.db.connection import Connection
from tests.integration.web.mails import Mails

pytestmark = pytest.mark.integration

PASSWORD = "a-long-secret-of-mine"
KEY = "31" * 20
USERS = "/admin/telemetry/user/"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seconds by which time has gone on: each code is taken once."""
    ahead, now = [0], time.time
    monkeypatch.setattr("django_otp.plugins.otp_totp.models.time.time", lambda: now() + ahead[0])
    return ahead


@pytest.fixture
def ana(connection: Connection, clock: list[int]) -> User:
    """A member who has a second factor."""
    user = User.objects.create_user("ana", email="ana@example.com", password=PASSWORD)
    assert turn_on(user, key=KEY, code=make_code(clock))
    clock[0] += 30
    return user


def make_code(clock: list[int], key: str = KEY) -> str:
    """What the app shows."""
    totp = TOTP(bytes.fromhex(key))
    totp.time = time.time() + clock[0]
    return f"{totp.token():06}"


def enter_password(client: Client, name: str = "ana", **more: str) -> Any:
    return client.post("/login/", {"username": name, "password": PASSWORD, **more})


def enter_code(client: Client, code: str) -> Any:
    return client.post("/login/code/", {"code": code})


def is_signed_in(client: Client) -> bool:
    return client.get("/accounts/").status_code == 200


def ask_of(settings: Any, who: str) -> None:
    """`WEB_SECOND_FACTOR`."""
    sign_in = replace(settings.OPTIONS.sign_in, second_factor=who)
    settings.OPTIONS = replace(settings.OPTIONS, sign_in=sign_in)


def read_key(page: Any) -> str:
    """The key that a page shows, in hexadecimal."""
    from base64 import b32decode

    [text] = re.findall(r'<code class="secret">([A-Z2-7 ]+)</code>', page.content.decode())
    return b32decode(text.replace(" ", "")).hex()


def read_codes(page: Any) -> list[str]:
    return re.findall(r'<code class="secret">([a-z2-7]{8})</code>', page.content.decode())


def test_it_signs_nobody_in_before_the_code(ana: User, clock: list[int]) -> None:
    client = Client()
    assert enter_password(client, next="/profile/").headers["Location"] == "/login/code/"
    assert not is_signed_in(client)
    assert client.get("/api/v1/accounts").status_code == 401
    answer = enter_code(client, make_code(clock))
    assert answer.headers["Location"] == "/profile/"
    assert is_signed_in(client)


def test_it_takes_each_code_once(ana: User, clock: list[int]) -> None:
    for expected in (302, 200):
        client = Client()
        enter_password(client)
        assert enter_code(client, make_code(clock)).status_code == expected


def test_it_makes_the_next_code_wait_after_a_wrong_one(ana: User, clock: list[int]) -> None:
    client = Client()
    enter_password(client)
    assert "not right" in enter_code(client, "000000").content.decode()
    page = enter_code(client, make_code(clock))
    assert "Try again in 1 second." in page.content.decode()
    assert not is_signed_in(client)
    TOTPDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    assert enter_code(client, make_code(clock)).status_code == 302


def test_it_counts_wrong_codes_with_wrong_passwords(ana: User, clock: list[int]) -> None:
    client = Client()
    enter_password(client)
    codes = []
    for _ in range(10):
        TOTPDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
        codes.append(enter_code(client, "000000").status_code)
    assert codes == [200] * 9 + [429]
    assert enter_code(client, make_code(clock)).status_code == 429
    assert enter_password(Client()).status_code == 429


@pytest.mark.parametrize("change", ["late", "password", "inactive"])
def test_it_wants_the_password_again(ana: User, clock: list[int], change: str) -> None:
    client = Client()
    enter_password(client)
    if change == "late":
        session = client.session
        session["sign_in_pending"] = {**session["sign_in_pending"], "at": time.time() - 601}
        session.save()
    elif change == "password":
        ana.set_password("another-long-one")
        ana.save()
    else:
        User.objects.update(is_active=False)
    assert enter_code(client, make_code(clock)).headers["Location"] == "/login/"


def test_it_takes_each_recovery_code_once_and_stores_none(ana: User, mails: Mails) -> None:
    code, *rest = renew_recovery_codes(ana)
    assert not StaticToken.objects.filter(token__in=[code, *rest]).exists()
    for expected in (302, 200):
        client = Client()
        enter_password(client)
        assert enter_code(client, f"{code[:4]} {code[4:].upper()}").status_code == expected
    subjects = [email.subject for email in mails.deliver()]
    assert any("recovery code was used" in subject for subject in subjects)


def test_it_takes_recovery_codes_made_with_a_former_key(ana: User, settings: Any) -> None:
    code = renew_recovery_codes(ana)[0]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "k2" * 30
    client = Client()
    enter_password(client)
    assert enter_code(client, code).status_code == 302


def test_it_is_turned_on_by_a_code_of_the_app_and_the_password(
    connection: Connection, clock: list[int], mails: Mails
) -> None:
    user = User.objects.create_user("eva", email="eva@example.com", password=PASSWORD)
    client = Client()
    enter_password(client, "eva")
    page = client.get("/second-factor/")
    assert 'src="data:image/svg+xml' in page.content.decode()
    key = read_key(page)
    for fields in (
        {"code": make_code(clock, key), "password": "wrong"},
        {"code": "000000", "password": PASSWORD},
    ):
        assert client.post("/second-factor/", fields).status_code == 400
    assert not has_second_factor(user)
    assert read_key(client.get("/second-factor/")) == key
    done = client.post("/second-factor/", {"code": make_code(clock, key), "password": PASSWORD})
    codes = read_codes(done)
    assert len(codes) == 10
    assert codes[0] not in client.get("/second-factor/").content.decode()
    assert [email.subject for email in mails.deliver()] == [
        "The second factor of your sign-in was turned on - TDS Telemetry"
    ]
    # New recovery codes, then off: each with the password.
    assert client.post("/second-factor/", {"do": "off", "password": "wrong"}).status_code == 400
    again = client.post("/second-factor/", {"do": "codes", "password": PASSWORD})
    assert len(read_codes(again)) == 10
    assert not {*codes} & {*read_codes(again)}
    assert client.post("/second-factor/", {"do": "off", "password": PASSWORD}).status_code == 302
    assert not has_second_factor(user)
    assert enter_password(Client(), "eva").headers["Location"] == "/"


def test_it_is_set_up_at_the_sign_in_of_who_must_have_it(
    connection: Connection, clock: list[int], settings: Any
) -> None:
    ask_of(settings, "staff")
    User.objects.create_superuser("root", password=PASSWORD)
    User.objects.create_user("eva", password=PASSWORD)
    client = Client()
    assert client.get("/admin/").headers["Location"] == "/admin/login/?next=/admin/"
    answer = client.get("/admin/login/?next=/admin/")
    assert answer.headers["Location"] == "/login/?next=/admin/"
    assert enter_password(client, "root", next="/admin/").headers["Location"] == "/login/code/"
    key = read_key(client.get("/login/code/"))
    assert client.get("/admin/").status_code == 302
    assert "not right" in enter_code(client, "000000").content.decode()
    done = enter_code(client, make_code(clock, key))
    assert len(read_codes(done)) == 10
    assert 'href="/admin/"' in done.content.decode()
    assert client.get("/admin/").status_code == 200
    # It stays on, and asks nothing of members.
    off = {"do": "off", "password": PASSWORD}
    client.post("/second-factor/", off)
    assert has_second_factor(User.objects.get(username="root"))
    assert enter_password(Client(), "eva").headers["Location"] == "/"


def test_it_gives_each_user_of_a_browser_another_key(connection: Connection, settings: Any) -> None:
    ask_of(settings, "everyone")
    client, keys = Client(), []
    for name in ("eva", "bob"):  # who began before knows the codes of that key
        User.objects.create_user(name, password=PASSWORD)
        enter_password(client, name)
        keys.append(read_key(client.get("/login/code/")))
    assert keys[0] != keys[1]


def test_it_ends_sessions_without_it_when_it_becomes_required(
    ana: User, clock: list[int], settings: Any
) -> None:
    User.objects.create_user("eva", password=PASSWORD)
    with_code, without = Client(), Client()
    enter_password(with_code)
    enter_code(with_code, make_code(clock))
    enter_password(without, "eva")
    assert is_signed_in(without)
    token = issue_token(User.objects.get(username="eva"), name="export", scopes=["read"])[1]
    ask_of(settings, "everyone")
    assert is_signed_in(with_code)
    assert not is_signed_in(without)
    # Tokens of the API have no second step: a session with one has made them.
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/v1/accounts", headers=headers).status_code == 200


def test_it_is_reset_by_administrators_alone(ana: User, clock: list[int], mails: Mails) -> None:
    member = Client()
    enter_password(member)
    enter_code(member, make_code(clock))
    action = {"action": "reset_second_factor", "_selected_action": [ana.pk]}
    clerk = User.objects.create_user("clerk", is_staff=True)
    from django.contrib.auth.models import Permission

    clerk.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(clerk)
    client.post(USERS, {**action, "confirmed": "yes"})
    assert has_second_factor(ana)
    for address in ("otp_totp/totpdevice/", "otp_static/staticdevice/"):
        assert client.get(f"/admin/{address}").status_code == 404
    assert client.get("/admin/telemetry/identity/add/").status_code == 403
    client.force_login(User.objects.create_superuser("root"))
    assert "Make sure that it is they" in client.post(USERS, action).content.decode()
    assert has_second_factor(ana)
    assert client.post(USERS, {**action, "confirmed": "yes"}).status_code == 302
    assert not has_second_factor(ana)
    assert not is_signed_in(member)
    [entry] = LogEntry.objects.all()
    assert (entry.user.get_username(), entry.object_id, entry.change_message) == (
        "root", str(ana.pk), "second factor reset",
    )  # fmt: skip
    assert any("turned off" in email.subject for email in mails.deliver())


def test_it_is_reset_on_the_command_line(ana: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("reset_second_factor", "ana")
    assert capsys.readouterr().out == "ana: reset\n"
    assert not has_second_factor(ana)
    with pytest.raises(CommandError, match="no such user"):
        call_command("reset_second_factor", "nobody")


def test_it_sends_members_away_from_the_admin_without_going_round(ana: User) -> None:
    client = Client()
    client.force_login(ana)
    assert client.get("/admin/", follow=True).status_code == 403
