"""The switch of languages, on members' pages and in the admin: what is chosen counts everywhere."""

import pytest
from django.test import Client

from telemetry.models import User
from telemetry.store.db.connection import Connection

pytestmark = pytest.mark.integration

ENGLISH, PORTUGUESE = '<html lang="en"', '<html lang="pt-br"'


@pytest.fixture
def user(connection: Connection) -> User:
    return User.objects.create_superuser("ana", password="x")


def switch(client: Client, code: str, to: str = "/admin/") -> str:
    page = client.post("/language/", {"language": code, "next": to}, follow=True)
    assert page.redirect_chain == [(to, 302)]
    return page.content.decode()


def test_it_keeps_the_language_of_who_is_signed_in(user: User) -> None:
    client = Client()
    client.force_login(user)
    page = client.get("/admin/").content.decode()
    assert ENGLISH in page
    assert page.count('name="language"') == 2
    assert 'aria-label="Português Brasileiro"' in page
    assert PORTUGUESE in switch(client, "pt-br")
    elsewhere = Client()
    elsewhere.force_login(user)
    assert PORTUGUESE in elsewhere.get("/admin/").content.decode()
    assert PORTUGUESE in elsewhere.get("/profile/").content.decode()
    assert ENGLISH in switch(client, "en"), "also where the profile says another one"


def test_it_keeps_the_language_of_all_others_in_a_cookie(connection: Connection) -> None:
    client = Client()
    assert PORTUGUESE in switch(client, "pt-br", "/login/")
    assert PORTUGUESE in client.get("/login/").content.decode()
    assert ENGLISH in Client().get("/login/").content.decode()


@pytest.mark.parametrize("code", ["", "xx", "fr", "pt-br'--", "../en"])
def test_it_takes_no_language_that_it_has_not(user: User, code: str) -> None:
    client = Client()
    client.force_login(user)
    assert ENGLISH in switch(client, code)
    user.refresh_from_db()
    assert user.language == ""


def test_it_changes_nothing_by_a_link(user: User) -> None:
    client = Client()
    client.force_login(user)
    client.get("/language/?language=pt-br")
    user.refresh_from_db()
    assert user.language == ""
