"""Sign-in at an identity provider, against a small one of our own."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from telemetry.accounts.members import invite
from telemetry.models import Identity, Session, User
from telemetry.store.db.connection import Connection
from tests.integration.web.mails import SITE
from tests.integration.web.site import make_account

pytestmark = pytest.mark.integration

PASSWORD = "a-long-secret-of-mine"
CLIENT, SECRET = "telemetry", "the-secret-of-this-client"
ANA = {"sub": "subject-1", "email": "Ana@example.com", "email_verified": True}


class Provider:
    """An identity provider: tokens of `claims` for whoever comes with a code, as OpenID Connect
    says it. `changes`: what is wrong in them."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "1", "alg": "ES256"})
        self.claims: dict[str, Any] = dict(ANA)
        self.changes: dict[str, Any] = {}
        self.signs_with = self.key
        self.challenge = self.nonce = self.other_name = ""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.make_handler())
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"

    def make_handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(provider.describe(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.answer(provider.issue(parse_qs(body), self.headers["Authorization"]))

            def answer(self, content: dict[str, Any]) -> None:
                self.send_response(400 if "error" in content else 200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        return Handler

    def describe(self, path: str) -> dict[str, Any]:
        if path == "/keys":
            return KeySet([self.key]).as_dict(private=False)  # type: ignore[return-value]
        return {
            "issuer": self.other_name or self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["ES256"],
        }

    def authorize(self, address: str) -> str:
        """What the browser does there: the address that it is led back to."""
        asked = {name: text for name, [text] in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.issuer}/authorize?")
        assert asked["redirect_uri"] == f"{SITE}/login/provider/return/"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        self.challenge, self.nonce = asked["code_challenge"], asked["nonce"]
        return f"/login/provider/return/?code=the-code&state={asked['state']}"

    def issue(self, asked: dict[str, list[str]], authorization: str) -> dict[str, Any]:
        digest = hashlib.sha256(asked["code_verifier"][0].encode()).digest()
        assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == self.challenge
        assert base64.b64decode(authorization.split()[1]).decode() == f"{CLIENT}:{SECRET}"
        if asked["code"] != ["the-code"]:
            return {"error": "invalid_grant"}
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": 1, "exp": 4_000_000_000,
            "nonce": self.nonce, **self.claims, **self.changes,
        }  # fmt: skip
        token = jwt.encode({"alg": "ES256", "kid": "1"}, claims, self.signs_with)
        return {"access_token": "x", "token_type": "Bearer", "id_token": token}


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    provider = Provider()
    thread = threading.Thread(target=provider.server.serve_forever, args=(0.05,))
    thread.start()
    yield provider
    provider.server.shutdown()
    thread.join()
    provider.server.server_close()


@pytest.fixture
def provider(running: Provider, settings: Any, connection: Connection) -> Provider:
    """The provider, which this site uses."""
    running.claims, running.changes, running.signs_with = dict(ANA), {}, running.key
    running.other_name = ""
    configure(settings, issuer=running.issuer, client_id=CLIENT, client_secret=SECRET, name="Corp")
    mail = replace(settings.OPTIONS.mail, site_url=SITE)
    settings.OPTIONS = replace(settings.OPTIONS, mail=mail)
    return running


def configure(settings: Any, **fields: Any) -> None:
    sign_in = settings.OPTIONS.sign_in
    sign_in = replace(sign_in, provider=replace(sign_in.provider, **fields))
    settings.OPTIONS = replace(settings.OPTIONS, sign_in=sign_in)


@pytest.fixture
def ana(provider: Provider) -> User:
    return User.objects.create_user("ana", email="ana@example.com", password=PASSWORD)


def come_by(provider: Provider, client: Client, to: str = "") -> Any:
    """From the link on the page to the answer of this site."""
    away = client.get("/login/provider/", {"next": to}).headers["Location"]
    return client.get(provider.authorize(away))


def is_signed_in(client: Client) -> bool:
    return client.get("/accounts/").status_code == 200


def read_refusal(client: Client) -> str:
    return client.get("/login/").content.decode()


def test_it_is_off_where_nobody_set_it_up(connection: Connection) -> None:
    assert "Sign in with" not in Client().get("/login/").content.decode()
    for address in ("/login/provider/", "/login/provider/return/"):
        assert Client().get(address).status_code == 404


def test_it_signs_in_a_user_of_that_confirmed_address(provider: Provider, ana: User) -> None:
    client = Client()
    page = client.get("/login/?next=/profile/").content.decode()
    assert "Sign in with Corp" in page
    assert 'href="/login/provider/?next=%2Fprofile%2F"' in page
    elsewhere = client.get("/login/provider/", headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.headers["Location"] == "/login/"
    assert come_by(provider, client, "/profile/").headers["Location"] == "/profile/"
    assert is_signed_in(client)
    # From then on the subject counts: addresses change hands.
    User.objects.create_user("eva", email="new@example.com")
    provider.claims["email"] = "new@example.com"
    again = Client()
    come_by(provider, again)
    assert again.session["_auth_user_id"] == str(ana.pk)
    assert Identity.objects.count() == 1


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"email_verified": False}, "has not confirmed your e-mail address"),
        ({"email_verified": "true"}, "has not confirmed your e-mail address"),
        ({"email": ""}, "has not confirmed your e-mail address"),
        ({"email": "nobody@example.com"}, "No user here has the e-mail address nobody@example.com"),
        ({"email": "twice@example.com"}, "No user here has the e-mail address twice@example.com"),
        ({"email": "off@example.com"}, "No user here has the e-mail address off@example.com"),
        ({"sub": "subject-2"}, "is somebody else at the identity provider"),
    ],
)
def test_it_signs_in_nobody_else(
    provider: Provider, ana: User, claims: dict[str, Any], text: str
) -> None:
    for name, email in (("t1", "twice@example.com"), ("t2", "Twice@example.com")):
        User.objects.create_user(name, email=email)
    User.objects.create_user("off", email="off@example.com", is_active=False)
    if "sub" in claims:
        Identity.objects.create(user=ana, issuer=provider.issuer, subject="subject-1")
    provider.claims.update(claims)
    client = Client()
    assert come_by(provider, client).headers["Location"] == "/login/"
    assert text in read_refusal(client)
    assert not is_signed_in(client)
    assert User.objects.count() == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"}, {"aud": "another"}, {"aud": ["another"], "azp": CLIENT},
        {"nonce": "another"}, {"exp": 5}, {"sub": None}, "key", "state", "code",
    ],
)  # fmt: skip
def test_it_believes_no_token_that_is_not_for_this_sign_in(
    provider: Provider, ana: User, changes: Any
) -> None:
    client = Client()
    back = provider.authorize(client.get("/login/provider/").headers["Location"])
    if changes == "key":
        provider.signs_with = ECKey.generate_key("P-256", {"kid": "1", "alg": "ES256"})
    elif changes == "state":
        client = Client()  # another browser, which somebody gave the link
    elif changes == "code":
        back = back.replace("the-code", "another")
    else:
        provider.changes = changes
    assert client.get(back).headers["Location"] == "/login/"
    assert "did not sign you in" in read_refusal(client)
    assert not is_signed_in(client)


def test_it_takes_an_answer_once(provider: Provider, ana: User) -> None:
    client = Client()
    back = provider.authorize(client.get("/login/provider/").headers["Location"])
    client.get(back)
    client.post("/logout/")
    client.get(back)
    assert not is_signed_in(client)


def test_it_finds_nobody_by_an_address_that_was_never_confirmed(
    provider: Provider, ana: User
) -> None:
    """Without e-mail a user could enter another's, and a member invite it."""
    User.objects.update(email="old@example.com")
    client = Client()
    client.force_login(ana)
    fields = {"first_name": "Ana", "email": "ana@example.com", "password": PASSWORD}
    page = client.post("/profile/", fields)
    assert "sends no e-mail that could confirm it" in page.content.decode()
    account = make_account()
    token = invite(account, email="ana@example.com", role="owner", by=ana, now=timezone.now())
    person = {"username": "guest", "password1": PASSWORD, "password2": PASSWORD}
    assert Client().post(f"/invitations/{token}/", person).status_code == 302
    assert set(User.objects.values_list("email", flat=True)) == {"old@example.com", ""}
    come_by(provider, client := Client())
    assert not is_signed_in(client)
    row = Session.objects.get(pk=client.session.session_key)  # nor are rows of it kept for long
    assert row.expire_date < timezone.now() + timedelta(minutes=11)


def test_it_signs_in_nobody_whose_user_is_switched_off(provider: Provider, ana: User) -> None:
    come_by(provider, Client())
    User.objects.update(is_active=False)
    client = Client()
    come_by(provider, client)
    assert "Your user is switched off here" in read_refusal(client)


@pytest.mark.parametrize(("amr", "location"), [([], "/login/code/"), (["pwd", "mfa"], "/admin/")])
def test_it_asks_for_the_second_factor_unless_the_provider_did(
    provider: Provider, ana: User, settings: Any, amr: list[str], location: str
) -> None:
    sign_in = replace(settings.OPTIONS.sign_in, second_factor="staff")
    settings.OPTIONS = replace(settings.OPTIONS, sign_in=sign_in)
    User.objects.update(is_staff=True, is_superuser=True)
    provider.claims["amr"] = amr
    client = Client()
    assert come_by(provider, client, "/admin/").headers["Location"] == location
    assert (client.get("/admin/").status_code == 200) == bool(amr)


def test_it_makes_users_where_a_setting_says_so(provider: Provider, settings: Any) -> None:
    configure(settings, creates_users=True)
    client = Client()
    come_by(provider, client)
    assert is_signed_in(client)
    user = User.objects.get()
    assert (user.email, user.is_staff, user.has_usable_password()) == (
        "Ana@example.com", False, False,
    )  # fmt: skip
    assert "You have no password here" in client.get("/second-factor/").content.decode()


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_it_leads_nowhere_else(provider: Provider, ana: User, to: str) -> None:
    assert come_by(provider, Client(), to).headers["Location"] == "/"


def test_it_says_so_when_the_provider_is_away(provider: Provider, settings: Any) -> None:
    configure(settings, issuer="http://127.0.0.1:1", client_id=CLIENT, client_secret=SECRET)
    client = Client()
    assert client.get("/login/provider/").headers["Location"] == "/login/"
    assert "The identity provider does not answer" in read_refusal(client)
    # Nor is one asked that says it is another.
    provider.other_name = "https://login.example"
    configure(settings, issuer=provider.issuer, name="Read anew")
    assert client.get("/login/provider/").headers["Location"] == "/login/"
