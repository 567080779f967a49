"""Sign-in, passwords and profile: nobody guesses, nobody learns who has a user."""

import re
from dataclasses import replace
from typing import Any

import pytest
import structlog
from axes.models import AccessAttempt
from django.conf import settings
from django.test import Client

from telemetry.models import User
from telemetry.store.db.connection import Connection
from tests.integration.web.mails import SITE, Mails

pytestmark = pytest.mark.integration

PASSWORD = "a-long-secret-of-mine"


@pytest.fixture
def user(connection: Connection) -> User:
    return User.objects.create_user("ana", email="ana@example.com", password=PASSWORD)


def strip_secret(page: Any) -> str:
    """The page without what is new in each."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page.content.decode())


def try_login(client: Client, name: str, password: str, **headers: str) -> int:
    fields = {"username": name, "password": password}
    return client.post("/login/", fields, **headers).status_code  # type: ignore[arg-type]


def test_it_locks_a_name_out_after_ten_failures_from_an_address(user: User) -> None:
    client = Client()
    assert [try_login(client, "ana", "wrong") for _ in range(10)] == [200] * 9 + [429]
    assert try_login(client, "ana", PASSWORD) == 429
    page = client.post("/login/", {"username": "ana", "password": PASSWORD})
    assert "Try again in 15 minutes" in page.content.decode()
    assert page.headers["Retry-After"] == "900"
    # The admin has no form of its own; another address is not concerned.
    fields = {"username": "ana", "password": PASSWORD}
    answer = client.post("/admin/login/?next=/admin/", fields)
    assert answer.headers["Location"] == "/login/?next=/admin/"
    assert client.get("/accounts/").status_code == 302
    assert client.post("/login/?next=/admin/", fields).status_code == 429
    assert try_login(client, "ana", PASSWORD, REMOTE_ADDR="192.0.2.9") == 302


def test_it_locks_an_address_out_that_tries_many_names(user: User) -> None:
    client = Client()
    codes = [try_login(client, f"name-{number}", "wrong") for number in range(11)]
    assert codes[-1] == 429
    assert try_login(client, "ana", PASSWORD) == 429


def test_it_believes_no_address_that_the_client_made_up(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    for number in range(10):
        try_login(client, "ana", "wrong", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}")
    assert try_login(client, "ana", PASSWORD, HTTP_X_FORWARDED_FOR="192.0.2.99") == 429
    # Behind one proxy, what the proxy saw counts: the last entry.
    monkeypatch.setattr(settings, "OPTIONS", replace(settings.OPTIONS, proxies=1))
    forged = {"HTTP_X_FORWARDED_FOR": "127.0.0.1, 192.0.2.50"}
    assert try_login(client, "ana", PASSWORD, **forged) == 302


def test_it_counts_the_addresses_of_one_subscriber_together(user: User) -> None:
    addresses = [f"2001:db8:1:2:{number:x}::9" for number in range(11)]
    codes = [try_login(Client(), "ana", "wrong", REMOTE_ADDR=one) for one in addresses]
    assert codes == [200] * 9 + [429] * 2
    for another in ("2001:db8:1:3::9", "::ffff:192.0.2.9", "192.0.2.10"):
        assert try_login(Client(), "ana", PASSWORD, REMOTE_ADDR=another) == 302
    for _ in range(2):  # a success clears what its network failed
        codes = [try_login(Client(), "ana", "wrong", REMOTE_ADDR="2001:db8::5") for _ in range(9)]
        assert codes == [200] * 9
        assert try_login(Client(), "ana", PASSWORD, REMOTE_ADDR="2001:db8::6") == 302


def test_it_says_the_same_of_a_wrong_password_and_an_unknown_name(user: User) -> None:
    known, unknown = (
        strip_secret(Client().post("/login/", {"username": name, "password": "wrong"}))
        for name in ("ana", "eva")
    )
    assert known == unknown.replace('value="eva"', 'value="ana"')


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_it_leads_nowhere_else_after_the_sign_in(user: User, address: str) -> None:
    fields = {"username": "ana", "password": PASSWORD, "next": address}
    assert Client().post("/login/", fields).headers["Location"] == "/"


def test_it_ends_the_other_sessions_when_the_password_changes(user: User) -> None:
    here, there = Client(), Client()
    assert try_login(here, "ana", PASSWORD) == try_login(there, "ana", PASSWORD) == 302
    fields = {
        "old_password": PASSWORD, "new_password1": "another-long-one", "new_password2":
        "another-long-one",
    }  # fmt: skip
    assert here.post("/password/", fields, follow=True).status_code == 200
    assert here.get("/accounts/").status_code == 200
    assert there.get("/accounts/").status_code == 302


def test_it_gives_a_new_session_at_the_sign_in(user: User) -> None:
    client = Client()
    client.get("/login/")
    client.session["mark"] = 1
    before = client.session.session_key
    try_login(client, "ana", PASSWORD)
    assert client.session.session_key != before


def test_it_sends_a_link_for_a_new_password_that_works_once(user: User, mails: Mails) -> None:
    client = Client()
    answers = [
        strip_secret(client.post("/password/forgotten/", {"email": address}, follow=True))
        for address in ("ana@example.com", "nobody@example.com")
    ]
    assert answers[0] == answers[1]
    [email] = mails.deliver()
    [link] = re.findall(rf"{SITE}(\S+)", str(email.body))
    form = client.get(link, follow=True)
    fields = {"new_password1": "another-long-one", "new_password2": "another-long-one"}
    assert client.post(form.redirect_chain[-1][0], fields, follow=True).status_code == 200
    assert try_login(Client(), "ana", "another-long-one") == 302
    assert "This link does not work" in Client().get(link).content.decode()


def test_it_says_so_when_the_site_sends_no_emails(connection: Connection) -> None:
    assert "This site sends no e-mail" in Client().get("/password/forgotten/").content.decode()


def test_it_changes_a_profile_and_asks_for_the_password_before_the_address(user: User) -> None:
    client = Client()
    client.force_login(user)
    fields = {
        "first_name": "Ana", "last_name": "Lima", "email": "new@example.com", "language": "pt-br",
    }  # fmt: skip
    assert client.post("/profile/", fields).status_code == 400
    fields["password"] = "wrong"
    assert "Your password is needed" in client.post("/profile/", fields).content.decode()
    fields["password"] = PASSWORD
    assert client.post("/profile/", fields).status_code == 302
    user.refresh_from_db()
    # This site sends no e-mail that could confirm the address.
    assert (user.email, user.language) == ("new@example.com", "pt-br")
    page = client.get("/profile/", headers={"Accept-Language": "en"})
    assert '<html lang="pt-br">' in page.content.decode()
    assert page.headers["Content-Language"] == "pt-br"


def test_it_clears_no_failures_of_other_names_when_somebody_signs_in(user: User) -> None:
    User.objects.create_user("eva", password=PASSWORD)
    client = Client()
    for _ in range(9):
        assert try_login(client, "ana", "wrong") == 200
    assert try_login(client, "eva", PASSWORD) == 302
    assert try_login(Client(), "ana", "wrong") == 429


def test_it_clears_the_failures_of_who_signs_in(user: User) -> None:
    for _ in range(2):
        codes = [try_login(Client(), "ana", "wrong") for _ in range(9)]
        assert [*codes, try_login(Client(), "ana", PASSWORD)] == [200] * 9 + [302]


@pytest.mark.parametrize(
    ("address", "field"), [("/profile/", "password"), ("/password/", "old_password")]
)
def test_it_limits_guesses_in_the_forms_that_ask_for_the_password(
    user: User, address: str, field: str
) -> None:
    client = Client()
    client.force_login(user)
    fields = {
        "email": "new@example.com", "new_password1": "another-long-one",
        "new_password2": "another-long-one",
    }  # fmt: skip
    codes = [client.post(address, {**fields, field: "wrong"}).status_code for _ in range(10)]
    assert codes[-1] == 429
    assert 429 not in codes[:-1]
    assert client.post(address, {**fields, field: PASSWORD}).status_code == 429
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert user.email == "ana@example.com"
    assert try_login(Client(), "ana", PASSWORD) == 429


def test_it_keeps_nothing_of_what_was_typed_with_a_failure(user: User) -> None:
    client = Client()
    client.force_login(user)
    typed = {"old_password": "typed-by-mistake", "new_password1": "x", "new_password2": "x"}
    client.post("/password/?why=typed-by-mistake", typed)
    try_login(client, "ana", "typed-by-mistake")
    assert AccessAttempt.objects.count() > 0
    assert "typed-by-mistake" not in repr(list(AccessAttempt.objects.values()))


def test_it_changes_passwords_of_the_admin_on_the_page_that_has_the_limit(user: User) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("staff"))
    assert client.get("/admin/password_change/").headers["Location"] == "/password/"


def test_it_wants_passwords_of_twelve_characters(user: User) -> None:
    client = Client()
    try_login(client, "ana", PASSWORD)

    def change(password: str) -> int:
        fields = {"new_password1": password, "new_password2": password}
        return client.post("/password/", {"old_password": PASSWORD, **fields}).status_code

    assert change("q7-wz-mk-3l") == 200
    # Django's list has few of that length: what pads or repeats a common one counts as it.
    for common in ("password2026!", "P4ssw0rd12345", "senhasenhasenha", "telemetria-2026",
        "abcabcabcabc", "123456789012"):  # fmt: skip
        assert change(common) == 200, common
    assert change("x7k2-5519-0027-33") == 302
    fields = {"old_password": "x7k2-5519-0027-33"}
    fields["new_password1"] = fields["new_password2"] = "q7-wz-mk-3l9"
    assert client.post("/password/", fields).status_code == 302


def test_it_logs_who_signed_in_and_who_failed_from_where(user: User) -> None:
    with structlog.testing.capture_logs() as lines:
        try_login(Client(), "ana", "wrong-secret", REMOTE_ADDR="192.0.2.7")
        try_login(Client(), "ana", PASSWORD, REMOTE_ADDR="192.0.2.8")
        for _ in range(10):
            try_login(Client(), "eva", "wrong-secret", REMOTE_ADDR="192.0.2.9")
    told = [(line["event"], line["user"], line["address"]) for line in lines]
    assert told[:3] == [
        ("sign_in_failed", "ana", "192.0.2.7"), ("signed_in", "ana", "192.0.2.8"),
        ("sign_in_failed", "eva", "192.0.2.9"),
    ]  # fmt: skip
    assert ("sign_in_locked", "eva", "192.0.2.9") in told
    assert "wrong-secret" not in repr(lines)
    assert PASSWORD not in repr(lines)
