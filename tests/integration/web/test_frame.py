"""The frame of all pages: where one begins, what headers say, what is shown to whom."""

from contextlib import closing

import pytest
from django.test import Client

from telemetry.models import User
from telemetry.store.db.connection import Connection

pytestmark = pytest.mark.integration


def sign_in(**fields: object) -> Client:
    user = User.objects.create_user("somebody", **fields)  # type: ignore[arg-type]
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("address", ["/", "/accounts/"])
def test_it_asks_for_the_sign_in_first(connection: Connection, address: str) -> None:
    answer = Client().get(address)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/login/?next={address}")


def test_it_signs_in_with_name_and_password_only(connection: Connection) -> None:
    User.objects.create_user("somebody", password="a-long-secret")
    client = Client()
    page = client.post("/login/", {"username": "somebody", "password": "wrong"}).content.decode()
    assert "Please enter a correct username and password" in page
    assert 'role="alert"' in page
    answer = client.post("/login/", {"username": "somebody", "password": "a-long-secret"})
    assert answer.headers["Location"] == "/"
    assert client.post("/logout/").headers["Location"] == "/login/"
    assert client.get("/accounts/").status_code == 302


def test_it_sends_staff_without_an_account_to_the_admin(connection: Connection) -> None:
    assert sign_in(is_staff=True).get("/").headers["Location"] == "/admin/"


def test_it_says_what_to_do_without_an_account(connection: Connection) -> None:
    client = sign_in()
    assert client.get("/").headers["Location"] == "/accounts/"
    assert "No account yet" in client.get("/accounts/").content.decode()


def test_it_speaks_the_chosen_language(connection: Connection) -> None:
    client = Client()
    client.post("/language/", {"language": "pt-br", "next": "/login/"})
    assert '<html lang="pt-br">' in client.get("/login/").content.decode()


def test_it_lets_pages_load_nothing_from_elsewhere_and_nobody_keep_them(
    connection: Connection,
) -> None:
    answer = sign_in(is_staff=True).get("/accounts/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    admin = Client().get("/admin/login/").headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval';" in admin
    with closing(Client().get("/static/telemetry/site.css")) as file:
        assert file.status_code == 200
        assert "Access-Control-Allow-Origin" not in file.headers
        assert "frame-ancestors 'none'" in file.headers["Content-Security-Policy"]
    assert Client().trace("/accounts/").status_code == 405


def test_it_keeps_messages_on_the_server(connection: Connection) -> None:
    """One says the secret of a new webhook."""
    client = sign_in(is_staff=True, is_superuser=True)
    fields = {"name": "Hook", "url": "https://hook.example/"}
    answer = client.post("/admin/telemetry/webhook/add/", fields, follow=True)
    assert "The secret that signs every call" in answer.content.decode()
    assert set(client.cookies) == {"sessionid", "csrftoken"}
