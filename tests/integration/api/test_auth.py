"""Who gets in: tokens, sessions, scopes, roles; and how it is said who does not."""

from datetime import timedelta

import pytest
import structlog
from django.db import connection as django
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from telemetry.accounts.tokens import issue_token, revoke_token
from telemetry.models import Account, ApiToken, Membership, User
from tests.integration.api.conftest import ALL_SCOPES, call_with, make_user, read_problem

pytestmark = pytest.mark.integration

ME = "/api/v1/me"


def test_it_asks_for_a_token_when_nobody_is_known(own: Account) -> None:
    response = Client().get(ME)
    assert read_problem(response, status=401)["type"].endswith(":unauthenticated")
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("Bearer tds_", id="a token that is too short"),
        pytest.param("Bearer " + "tds_" + "A" * 43, id="a token that nobody has"),
        pytest.param("Bearer tds_\xe9", id="a token with foreign letters"),
        pytest.param("Bearer", id="no token"),
        pytest.param("Basic dTpw", id="another scheme"),
        pytest.param("", id="an empty header"),
    ],
)
def test_it_refuses_a_header_that_is_no_token(own: Account, header: str) -> None:
    with structlog.testing.capture_logs() as lines:
        response = Client(headers={"Authorization": header}).get(ME)
    assert read_problem(response, status=401)["type"].endswith(":invalid-token")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert [(line["event"], line["address"]) for line in lines] == [("token_rejected", "127.0.0.1")]
    assert "A" * 43 not in repr(lines)


def test_it_does_not_ask_the_session_when_a_token_is_wrong(member: User) -> None:
    client = Client(headers={"Authorization": "Bearer tds_wrong"})
    client.force_login(member)
    read_problem(client.get(ME), status=401)


@pytest.fixture
def member(own: Account) -> User:
    """A viewer of the own account, for one test."""
    return make_user(viewer=own)


def test_it_keeps_no_token_that_could_be_used(member: User) -> None:
    token, text = issue_token(member, name="x", scopes=["read"])
    assert text.startswith(token.prefix)
    assert len(text) == 47
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert text not in str(row)
    assert len(bytes(row["digest"])) == 32


def test_it_refuses_a_token_that_was_revoked(member: User) -> None:
    token, text = issue_token(member, name="x", scopes=["read"])
    assert call_with(text).get(ME).status_code == 200
    revoke_token(token)
    assert "revoked" in read_problem(call_with(text).get(ME), status=401)["detail"]


def test_it_refuses_a_token_that_has_expired(member: User) -> None:
    past = timezone.now() - timedelta(seconds=1)
    _, text = issue_token(member, name="x", scopes=["read"], expires_at=past)
    assert "expired" in read_problem(call_with(text).get(ME), status=401)["detail"]


def test_it_refuses_the_token_of_a_user_who_was_deactivated(member: User) -> None:
    _, text = issue_token(member, name="x", scopes=["read"])
    User.objects.filter(pk=member.pk).update(is_active=False)
    assert read_problem(call_with(text).get(ME), status=401)["type"].endswith(":invalid-token")


def test_it_tells_which_scope_is_missing(member: User, own: Account) -> None:
    _, text = issue_token(member, name="x", scopes=["export", "dead_letters"])
    problem = read_problem(call_with(text).get(f"/api/v1/accounts/{own.pk}"), status=403)
    assert problem["type"].endswith(":missing-scope")
    assert "scope read" in problem["detail"]


def test_it_notes_the_use_of_a_token_at_most_once_a_minute(member: User) -> None:
    token, text = issue_token(member, name="x", scopes=["read"])
    client = call_with(text)
    client.get(ME)
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None
    with CaptureQueriesContext(django) as captured:
        client.get(ME)
    assert len(captured) == 1
    token.refresh_from_db()
    assert token.last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    client.get(ME)
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at > first


def test_it_opens_one_account_when_the_token_is_for_one(own: Account, foreign: Account) -> None:
    user = make_user(owner=own)
    Membership.objects.create(user=user, account=foreign, role="owner")
    _, text = issue_token(user, name="x", scopes=["read"], account=own)
    client = call_with(text)
    assert [item["id"] for item in client.get("/api/v1/accounts").json()["items"]] == [own.pk]
    assert client.get(f"/api/v1/accounts/{own.pk}").status_code == 200
    read_problem(client.get(f"/api/v1/accounts/{foreign.pk}"), status=404)


def test_it_follows_the_role_of_now(own: Account, member: User) -> None:
    _, text = issue_token(member, name="x", scopes=ALL_SCOPES)
    path = f"/api/v1/accounts/{own.pk}"
    assert call_with(text).get(path).json()["role"] == "viewer"
    Membership.objects.filter(user=member).update(role="admin")
    assert call_with(text).get(path).json()["rights"] == ["billing", "operate", "view"]
    Membership.objects.filter(user=member).delete()
    read_problem(call_with(text).get(path), status=404)
    assert call_with(text).get("/api/v1/accounts").json() == {"items": [], "next": None}


def test_it_closes_an_account_that_was_deactivated(own: Account, member: User) -> None:
    _, text = issue_token(member, name="x", scopes=["read"])
    Account.objects.filter(pk=own.pk).update(is_active=False)
    try:
        read_problem(call_with(text).get(f"/api/v1/accounts/{own.pk}"), status=404)
        assert call_with(text).get("/api/v1/accounts").json()["items"] == []
    finally:
        Account.objects.filter(pk=own.pk).update(is_active=True)


def test_it_lets_the_session_of_the_pages_read(own: Account, member: User) -> None:
    client = Client()
    client.force_login(member)
    answer = client.get(ME).json()
    assert (answer["username"], answer["signed_in_by"]) == (member.username, "session")
    assert answer["token"] is None
    assert client.get(f"/api/v1/accounts/{own.pk}").json()["name"] == own.name


def test_it_tells_of_the_token_what_it_allows(member: User, own: Account) -> None:
    at = timezone.now().replace(microsecond=0) + timedelta(days=1)
    token, text = issue_token(
        member, name="robot", scopes=["read", "export"], account=own, expires_at=at
    )
    assert call_with(text).get(ME).json()["token"] == {
        "name": "robot",
        "prefix": token.prefix,
        "scopes": ["export", "read"],
        "account_id": own.pk,
        "expires_at": at.isoformat().replace("+00:00", "Z"),
    }
