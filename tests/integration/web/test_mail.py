"""E-mail that pages cause: limited, sent by a worker, with links to the site's own address."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from telemetry.accounts.tokens import issue_token, revoke_token
from telemetry.models import Account, Membership, ReportSchedule, User
from telemetry.store.db.connection import Connection
from tests.integration.web.mails import SITE, Mails

pytestmark = pytest.mark.integration

PASSWORD = "a-long-secret-of-mine"
FORGED = {"Host": "localhost", "X-Forwarded-Host": "evil.example"}


@pytest.fixture
def user(connection: Connection) -> User:
    """An owner of the account Alpha."""
    user = User.objects.create_user("ana", email="ana@example.com", password=PASSWORD)
    account = Account.objects.create(name="Alpha")
    Membership.objects.create(account=account, user=user, role="owner")
    return user


@pytest.fixture
def client(user: User) -> Client:
    client = Client(headers=FORGED)
    client.force_login(user)
    return client


def forget(email: str, address: str = "192.0.2.1") -> int:
    client = Client(headers=FORGED)
    fields = {"email": email}
    return client.post("/password/forgotten/", fields, REMOTE_ADDR=address).status_code


def find_path(email: mail.EmailMessage) -> str:
    """The one link of an e-mail, which leads to the site."""
    [link] = re.findall(r"https?://\S+", str(email.body))
    assert link.startswith(f"{SITE}/")
    return str(link).removeprefix(SITE)


def invite(client: Client, user: User, email: str) -> Any:
    [account] = Account.objects.filter(memberships__user=user)
    fields = {"email": email, "role": "viewer"}
    return client.post(f"/accounts/{account.pk}/members/invite/", fields)


def test_it_queues_the_same_whether_somebody_has_the_address(user: User, mails: Mails) -> None:
    for email in ("ana@example.com", "nobody@example.com"):
        assert forget(email) == 302
    queued = mails.read_queue()
    assert [task.pop("email") for task in queued] == ["ana@example.com", "nobody@example.com"]
    assert queued[0] == queued[1]
    assert mail.outbox == []
    forget("ana@example.com")
    sent = mails.deliver()
    assert {tuple(email.to) for email in sent} == {("ana@example.com",)}


def test_it_limits_resets_by_address_and_by_recipient(user: User, mails: Mails) -> None:
    codes = [forget("ana@example.com", f"192.0.2.{number}") for number in range(5)]
    assert codes == [302] * 5, "nobody learns that there were others"
    assert len(mails.read_queue()) == 3
    codes = [forget(f"name-{number}@example.com", "192.0.2.99") for number in range(11)]
    assert codes == [302] * 10 + [429]
    assert forget("eva@example.com", "192.0.2.98") == 302


def test_it_limits_invitations_by_user_account_and_recipient(
    user: User, client: Client, mails: Mails
) -> None:
    codes = [invite(client, user, f"{name}ew@example.com").status_code for name in "nNnN"]
    assert codes == [302, 302, 302, 429]
    codes = [invite(client, user, f"{number}@example.com").status_code for number in range(17)]
    assert codes == [302] * 16 + [429]
    second = User.objects.create_user("eva")
    Membership.objects.create(account=Account.objects.get(), user=second, role="owner")
    other = Client()
    other.force_login(second)
    codes = [invite(other, second, f"x{number}@example.com").status_code for number in range(20)]
    assert codes[-1] == 429, "the account's limit comes before the user's"
    assert len(mails.read_queue()) < 40


def test_it_limits_reports_on_request(user: User, client: Client, mails: Mails) -> None:
    account = Account.objects.get()
    schedule = ReportSchedule.objects.create(account=account, name="Monthly")
    path = f"/accounts/{account.pk}/reports/schedules/{schedule.pk}/send/"
    pages = [client.post(path, follow=True).content.decode() for _ in range(7)]
    assert "is being sent" in pages[5]
    assert "Too many e-mails" in pages[6]
    assert len(mails.read_queue()) == 6
    Membership.objects.all().delete()
    assert mails.deliver() == [], "who left meanwhile gets nothing"


def test_it_puts_no_secret_into_the_queue(user: User, client: Client, mails: Mails) -> None:
    forget("ana@example.com")
    invite(client, user, "new@example.com")
    queued = repr(mails.read_queue())
    paths = [find_path(email) for email in mails.deliver()]
    assert len(paths) == 2
    for path in paths:
        assert max(path.split("/"), key=len) not in queued
        assert Client().get(path, follow=True).status_code == 200


def test_it_changes_an_address_when_its_owner_confirms(
    user: User, client: Client, mails: Mails
) -> None:
    fields = {"email": "new@example.com", "password": PASSWORD}
    page = client.post("/profile/", fields, follow=True).content.decode()
    assert "was sent to new@example.com" in page
    user.refresh_from_db()
    assert user.email == "ana@example.com"
    [email] = mails.deliver()
    assert email.to == ["new@example.com"]
    path = find_path(email)
    stranger = Client()
    stranger.force_login(User.objects.create_user("eva"))
    assert stranger.post(path).status_code == 404
    assert "go to new@example.com" in client.get(path).content.decode()
    user.refresh_from_db()
    assert user.email == "ana@example.com", "programs that check e-mails open links"
    assert client.post(path).status_code == 302
    user.refresh_from_db()
    assert user.email == "new@example.com"
    [notice] = mails.deliver()
    assert notice.to == ["ana@example.com"]
    assert "e-mail address was changed" in notice.subject
    assert client.post(path).status_code == 404, "it works once"


def test_it_takes_no_confirmation_from_before_a_new_password(
    user: User, client: Client, mails: Mails
) -> None:
    client.post("/profile/", {"email": "new@example.com", "password": PASSWORD})
    path = find_path(mails.deliver()[0])
    user.set_password("another-long-one")
    user.save()
    client.force_login(user)
    assert client.post(path).status_code == 404


def test_it_tells_of_a_new_password_and_of_tokens(user: User, client: Client, mails: Mails) -> None:
    client.logout()
    signed_in = client.post("/login/", {"username": "ana", "password": PASSWORD})
    assert signed_in.status_code == 302
    assert mails.read_queue() == []
    new = "another-long-one"
    fields = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/password/", fields).status_code == 302
    user.refresh_from_db()
    token, _ = issue_token(user, name="nightly export", scopes=["read"])
    revoke_token(token)
    notices = mails.deliver()
    assert {tuple(notice.to) for notice in notices} == {("ana@example.com",)}
    assert [notice.subject.partition(" - ")[0] for notice in notices] == [
        "Your password was changed", "An API token was created", "An API token was revoked",
    ]  # fmt: skip
    assert "nightly export" in str(notices[1].body)


def test_it_tells_of_what_the_administrator_changed(user: User, mails: Mails) -> None:
    staff = Client()
    staff.force_login(User.objects.create_superuser("staff"))
    new = "another-long-one"
    fields = {"password1": new, "password2": new, "usable_password": "true"}
    staff.post(f"/admin/telemetry/user/{user.pk}/password/", fields)
    [notice] = mails.deliver()
    assert notice.to == ["ana@example.com"]


def test_it_speaks_the_language_of_the_reader(user: User, mails: Mails) -> None:
    User.objects.filter(pk=user.pk).update(language="pt-br")
    forget("ana@example.com")
    [email] = mails.deliver()
    assert email.subject == "Uma nova senha para o TDS Telemetry"


def test_it_tries_again_what_failed(
    user: User, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.maintenance import MAIL_TRIES, send_mail

    def fail(*_: Any, **__: Any) -> int:
        raise OSError("no route to host")

    forget("ana@example.com")
    monkeypatch.setattr("workers.maintenance.write_mail", fail)
    tries = 0
    while waiting := mails.read_queue():
        mails.redis.delete("maintenance")
        send_mail(**waiting[0])
        tries += 1
    assert tries == MAIL_TRIES


def test_it_leads_who_has_no_address_to_the_profile(
    mails: Mails, client: Client, user: User
) -> None:
    account = Account.objects.get()
    for page in ("reports/schedules/", "alarms/rules/"):
        address = f"/accounts/{account.pk}/{page}"
        User.objects.update(email="ana@example.com")
        assert "You have no e-mail address" not in client.get(address).content.decode()
        User.objects.update(email="")
        page_text = client.get(address).content.decode()
        assert 'Enter one in your <a href="/profile/">' in page_text
