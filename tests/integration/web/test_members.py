"""Members of an account: who may invite, change and remove, and that an owner always stays."""

import re
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connections
from django.test import Client
from django.utils import timezone

from telemetry.accounts.members import LastOwnerError, accept, find_invitation, invite, remove
from telemetry.models import Account, Invitation, Membership, MembershipEvent, User
from telemetry.store.db.connection import Connection
from telemetry.web.members import views
from tests.integration.web.mails import SITE, Mails

pytestmark = pytest.mark.integration

ROLES = ("owner", "admin", "viewer")


@pytest.fixture
def account(connection: Connection) -> Account:
    found = Account.objects.create(name="Alpha", time_zone="America/Sao_Paulo")
    for role in ROLES:
        add(found, role)
    return found


def add(account: Account, role: str, name: str = "") -> Membership:
    user = User.objects.create_user(name or f"{role}-{account.pk}", email=f"{role}@example.com")
    return Membership.objects.create(account=account, user=user, role=role)


def sign_in(account: Account, role: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=f"{role}-{account.pk}"))
    return client


def members_of(account: Account) -> dict[str, str]:
    return dict(Membership.objects.filter(account=account).values_list("user__username", "role"))


def link_of(email: mail.EmailMessage) -> str:
    [link] = re.findall(rf"{SITE}(\S+)", str(email.body))
    return str(link)


def test_it_lets_somebody_new_in_by_an_invitation_once(account: Account, mails: Mails) -> None:
    owner = sign_in(account, "owner")
    fields = {"email": "new@example.com", "role": "admin"}
    assert owner.post(f"/accounts/{account.pk}/members/invite/", fields).status_code == 302
    [email] = mails.deliver()
    link = link_of(email)
    assert email.to == ["new@example.com"]
    assert Invitation.objects.get().token_digest not in link
    guest = Client()
    assert "Join Alpha" in guest.get(link).content.decode()
    person = {"username": "new", "password1": "short", "password2": "short"}
    assert guest.post(link, person).status_code == 400
    person["password1"] = person["password2"] = "a-long-secret-of-mine"
    assert guest.post(link, person).headers["Location"] == f"/accounts/{account.pk}/"
    assert members_of(account)["new"] == "admin"
    assert User.objects.get(username="new").email == "new@example.com"
    assert Client().get(link).status_code == 404
    assert Client().post(link, {**person, "username": "other"}).status_code == 404
    assert not User.objects.filter(username="other").exists()
    kinds = MembershipEvent.objects.values_list("kind", "whom", "by__username")
    assert list(kinds) == [
        ("joined", "new", "new"), ("invited", "new@example.com", f"owner-{account.pk}"),
    ]  # fmt: skip


def test_it_lets_a_known_user_join_and_changes_no_role_that_stands(account: Account) -> None:
    now = timezone.now()
    owner = User.objects.get(username=f"owner-{account.pk}")
    other = User.objects.create_user("other")
    client = Client()
    client.force_login(other)
    token = invite(account, email="x@example.com", role="viewer", by=owner, now=now)
    assert client.post(f"/invitations/{token}/").status_code == 302
    assert members_of(account)["other"] == "viewer"
    token = invite(account, email="x@example.com", role="owner", by=owner, now=now)
    assert client.post(f"/invitations/{token}/").status_code == 302
    assert members_of(account)["other"] == "viewer"


def test_it_opens_no_expired_revoked_replaced_or_made_up_invitation(
    account: Account,
) -> None:
    now = timezone.now()
    owner = User.objects.get(username=f"owner-{account.pk}")
    given = {"role": "viewer", "by": owner, "now": now}
    first = invite(account, email="X@example.com", **given)  # type: ignore[arg-type]
    second = invite(account, email="x@example.com", **given)  # type: ignore[arg-type]
    assert find_invitation(first, now=now) is None
    found = find_invitation(second, now=now)
    assert found is not None
    assert find_invitation(second, now=now + timedelta(days=8)) is None
    client = sign_in(account, "owner")
    revoke = f"/accounts/{account.pk}/members/invitations/{found.pk}/revoke/"
    assert client.post(revoke).status_code == client.post(revoke).status_code == 302
    assert find_invitation(second, now=now) is None
    assert MembershipEvent.objects.filter(kind="revoked").count() == 1
    pages = {Client().get(f"/invitations/{token}/").status_code for token in (first, second, "x")}
    assert pages == {404}
    Account.objects.update(is_active=False)
    third = invite(account, email="y@example.com", **given)  # type: ignore[arg-type]
    assert find_invitation(third, now=now) is None


def test_it_shows_the_link_when_the_email_cannot_be_sent(account: Account) -> None:
    client = sign_in(account, "owner")
    fields = {"email": "new@example.com", "role": "viewer"}
    page = client.post(f"/accounts/{account.pk}/members/invite/", fields).content.decode()
    assert "could not be sent" in page
    [link] = re.findall(r'<a href="(/invitations/[^<]+/)">', page)
    assert Client().get(link).status_code == 200


def test_it_shows_no_link_where_an_email_is_to_bring_it(
    account: Account, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the link is taken for who reads the e-mails of that address."""
    monkeypatch.setattr(views, "queue_mail", lambda *_, **__: False)
    fields = {"email": "new@example.com", "role": "viewer"}
    answer = sign_in(account, "owner").post(f"/accounts/{account.pk}/members/invite/", fields)
    assert answer.status_code == 503
    assert not re.search(r"/invitations/[\w-]{40,}/", answer.content.decode())


@pytest.mark.parametrize("role", ROLES)
def test_it_lets_only_owners_manage_members(account: Account, role: str) -> None:
    client = sign_in(account, role)
    base = f"/accounts/{account.pk}/members/"
    viewer = Membership.objects.get(account=account, role="viewer")
    invitation = Invitation.objects.create(
        account=account, email="x@example.com", token_digest="x", expires_at=timezone.now()
    )
    page = client.get(base).content.decode()
    assert ("Send invitation" in page) == (role == "owner")
    assert ("x@example.com" in page) == (role == "owner")
    codes = [
        client.post(f"{base}invite/", {"email": "n@example.com", "role": "owner"}).status_code,
        client.post(f"{base}invitations/{invitation.pk}/revoke/").status_code,
        client.post(f"{base}{viewer.pk}/role/", {"role": "owner"}).status_code,
    ]
    # 200: without e-mail the page shows the link.
    assert codes == ([200, 302, 302] if role == "owner" else [403] * 3)
    owner = Membership.objects.filter(account=account, user__username__startswith="owner").get()
    if role != "owner":
        assert client.post(f"{base}{owner.pk}/remove/").status_code == 403
        assert members_of(account)[f"viewer-{account.pk}"] == "viewer"


def test_it_touches_nothing_of_another_account(account: Account) -> None:
    other = Account.objects.create(name="Beta")
    theirs = add(other, "owner")
    invitation = Invitation.objects.create(
        account=other, email="x@example.com", token_digest="x", expires_at=timezone.now()
    )
    client = sign_in(account, "owner")
    for base in (f"/accounts/{other.pk}/members/", f"/accounts/{account.pk}/members/"):
        for end in (
            f"{theirs.pk}/role/", f"{theirs.pk}/remove/", f"invitations/{invitation.pk}/revoke/",
        ):  # fmt: skip
            assert client.post(base + end, {"role": "viewer"}).status_code == 404
    assert client.get(f"/accounts/{other.pk}/members/").status_code == 404
    assert members_of(other) == {theirs.user.username: "owner"}
    invitation.refresh_from_db()
    assert invitation.revoked_at is None


def test_it_keeps_an_owner(account: Account) -> None:
    client = sign_in(account, "owner")
    mine = Membership.objects.get(account=account, role="owner")
    base = f"/accounts/{account.pk}/members/{mine.pk}/"
    for end, fields in (("remove/", {}), ("role/", {"role": "viewer"})):
        page = client.post(base + end, fields, follow=True).content.decode()
        assert "keeps at least one owner" in page
    second = add(account, "owner", "second")
    User.objects.filter(pk=second.user_id).update(is_active=False)
    assert "keeps at least one owner" in client.post(f"{base}remove/", follow=True).content.decode()
    User.objects.filter(pk=second.user_id).update(is_active=True)
    assert "have no access to Alpha" in client.get(f"{base}remove/").content.decode()
    assert client.post(f"{base}remove/").headers["Location"] == "/"
    assert f"owner-{account.pk}" not in members_of(account)
    assert client.get(f"/accounts/{account.pk}/members/").status_code == 404


def test_it_keeps_an_owner_when_two_remove_each_other(account: Account) -> None:
    first = Membership.objects.get(account=account, role="owner")
    second = add(account, "owner", "second")
    refused: list[str] = []
    gate = threading.Barrier(2)

    def end(membership: Membership, by: User) -> None:
        gate.wait()
        try:
            remove(membership, by=by)
        except LastOwnerError:
            refused.append(membership.user.username)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=end, args=(first, second.user)),
        threading.Thread(target=end, args=(second, first.user)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert list(members_of(account).values()).count("owner") == 1


def test_it_lets_an_invitation_be_used_once_by_two_at_the_same_time(
    account: Account,
) -> None:
    now = timezone.now()
    owner = User.objects.get(username=f"owner-{account.pk}")
    token = invite(account, email="x@example.com", role="viewer", by=owner, now=now)
    invitation = find_invitation(token, now=now)
    assert invitation is not None
    people = [User.objects.create_user(f"person-{number}") for number in range(2)]
    assert accept(invitation, user=people[0], now=now).role == "viewer"
    with pytest.raises(Exception, match="was used"):
        accept(invitation, user=people[1], now=now)
