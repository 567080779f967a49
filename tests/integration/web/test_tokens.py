"""The page of personal tokens: created and shown once, listed, revoked; each user's own alone."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from telemetry.accounts.tokens import MOST_TOKENS, issue_token
from telemetry.models import Account, ApiToken, Membership, User
from telemetry.store.db.connection import Connection
from tests.integration.web.mails import SITE, Mails

pytestmark = pytest.mark.integration

PAGE = "/profile/tokens/"
PASSWORD = "a-long-secret-of-mine"


@pytest.fixture
def user(connection: Connection) -> User:
    """A member of the account Alpha; Beta stands beside it."""
    user = User.objects.create_user("somebody", password=PASSWORD)
    Account.objects.create(name="Beta")
    Membership.objects.create(account=Account.objects.create(name="Alpha"), user=user)
    return user


@pytest.fixture
def client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def create(client: Client, **fields: Any) -> Any:
    given = {
        "name": "robot", "scopes": ["read"], "account": "", "lifetime": "90", "password": PASSWORD,
    }  # fmt: skip
    return client.post(PAGE, {**given, **fields})


def find_secret(page: Any) -> str:
    [secret] = re.findall(r"tds_[A-Za-z0-9_-]{43}", page.content.decode())
    return str(secret)


def test_it_shows_a_new_token_once_and_it_opens_the_api(client: Client) -> None:
    page = create(client, name="<b>robot</b>")
    assert page.status_code == 200
    assert "no-store" in page.headers["Cache-Control"]
    assert "&lt;b&gt;robot&lt;/b&gt;" in page.content.decode()
    secret = find_secret(page)
    later = client.get(PAGE).content.decode()
    assert secret not in later
    assert secret[:12] in later
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/me").json()
    assert answer["token"]["name"] == "<b>robot</b>"


def test_it_makes_what_was_chosen(client: Client, user: User) -> None:
    alpha = Account.objects.get(name="Alpha")
    create(client, scopes=["read", "export"], account=alpha.pk, lifetime="30")
    token = ApiToken.objects.get()
    assert (token.user, token.account, token.scopes) == (user, alpha, ["export", "read"])
    assert token.expires_at is not None
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    create(client, name="for ever", lifetime="")
    assert ApiToken.objects.get(name="for ever").expires_at is None


def test_it_says_at_the_field_what_is_wrong(client: Client) -> None:
    for fields, wrong in (
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"account": "99999"}, "account"),
        ({"account": "9" * 40}, "account"),
        ({"lifetime": "36500"}, "lifetime"),
        ({"password": ""}, "password"),
        ({"password": "wrong"}, "password"),
    ):
        page = create(client, **fields)
        assert page.status_code == 400, fields
        assert list(page.context["form"].errors) == [wrong]
        assert f'id="id_{wrong}_error"' in page.content.decode()
    assert not ApiToken.objects.exists()


def test_it_offers_no_account_that_is_not_the_users(client: Client) -> None:
    beta = Account.objects.get(name="Beta")
    assert "Beta" not in client.get(PAGE).content.decode()
    assert create(client, account=beta.pk).status_code == 400


def test_it_revokes_after_a_question(client: Client, user: User) -> None:
    token, secret = issue_token(user, name="robot", scopes=["read"])
    address = f"{PAGE}{token.pk}/revoke/"
    assert "cannot be undone" in client.get(address).content.decode()
    assert call(secret).status_code == 200
    assert client.post(address).headers["Location"] == PAGE
    assert call(secret).status_code == 401
    assert "revoked" in client.get(PAGE).content.decode()
    assert client.post(address).status_code == 302


def test_it_knows_no_token_of_anybody_else(client: Client) -> None:
    other = User.objects.create_user("other")
    token, secret = issue_token(other, name="not yours", scopes=["read"])
    assert "not yours" not in client.get(PAGE).content.decode()
    for answer in (
        client.get(f"{PAGE}{token.pk}/revoke/"),
        client.post(f"{PAGE}{token.pk}/revoke/"),
    ):
        assert answer.status_code == 404
    assert call(secret).status_code == 200


def test_it_asks_for_the_sign_in_first(user: User) -> None:
    token, _ = issue_token(user, name="robot", scopes=["read"])
    for address in (PAGE, f"{PAGE}{token.pk}/revoke/"):
        assert Client().get(address).headers["Location"] == f"/login/?next={address}"


def test_it_opens_no_page_with_a_token(user: User) -> None:
    _, secret = issue_token(user, name="robot", scopes=["read"])
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).get(PAGE)
    assert answer.status_code == 302


def test_it_needs_the_csrf_token(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert create(client).status_code == 403
    assert not ApiToken.objects.exists()


def test_it_stops_at_a_number_that_nobody_needs(client: Client, user: User) -> None:
    for _ in range(MOST_TOKENS):
        issue_token(user, name="robot", scopes=["read"])
    page = create(client)
    assert page.status_code == 400
    assert "revoke one first" in page.content.decode()


def test_it_forgets_what_ended_long_ago(client: Client, user: User) -> None:
    past = timezone.now() - timedelta(days=40)
    for name, fields in (("ended", {"expires_at": past}), ("taken", {"revoked_at": past})):
        token, _ = issue_token(user, name=name, scopes=["read"])
        ApiToken.objects.filter(pk=token.pk).update(**fields)
    text = client.get(PAGE).content.decode()
    assert "ended" not in re.findall(r'<th [^>]*scope="row">(\w+)', text)
    assert "You have no tokens" in text


def test_it_limits_guesses_of_the_password(client: Client) -> None:
    codes = [create(client, password="wrong").status_code for _ in range(10)]
    assert codes == [400] * 9 + [429]
    assert create(client).status_code == 429
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("wish", ["on", ""])
def test_it_revokes_tokens_with_a_new_password_when_the_user_wishes(
    client: Client, user: User, wish: str
) -> None:
    _, secret = issue_token(user, name="robot", scopes=["read"])
    _, foreign = issue_token(User.objects.create_user("other"), name="robot", scopes=["read"])
    new = "another-long-one"
    fields = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    answer = client.post("/password/", {**fields, "revoke_tokens": wish})
    assert answer.status_code == 302
    assert call(secret).status_code == (401 if wish else 200)
    assert call(foreign).status_code == 200


def test_it_revokes_tokens_with_a_reset_when_the_user_wishes(user: User, mails: Mails) -> None:
    _, secret = issue_token(user, name="robot", scopes=["read"])
    User.objects.update(email="ana@example.com")
    client = Client()
    client.post("/password/forgotten/", {"email": "ana@example.com"})
    [email] = mails.deliver()
    [path] = re.findall(rf"{SITE}(\S+)", str(email.body))
    form = client.get(path, follow=True).redirect_chain[-1][0]
    new = "another-long-one"
    fields = {"new_password1": new, "new_password2": new, "revoke_tokens": "on"}
    assert client.post(form, fields).status_code == 302
    assert call(secret).status_code == 401


def call(secret: str) -> Any:
    return Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/me")
