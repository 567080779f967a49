"""What asks without a login whether a web process lives and whether it can serve."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection as django_connection
from django.test import Client

from telemetry.store.db.connection import Connection

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def redis(queue: Any, environ: dict[str, str], settings: Any) -> None:
    """Pages ask the Redis of the run."""
    options = settings.OPTIONS
    settings.OPTIONS = replace(
        options, redis=replace(options.redis, url=environ["REDIS_URL"], socket_timeout_s=2)
    )


@pytest.mark.parametrize("address", ["/readyz", "/health"])
def test_it_is_ready_when_all_that_pages_need_is_there(
    address: str, client: Client, connection: Connection
) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "problems": []})


def test_it_is_not_ready_without_redis_and_says_so(
    client: Client, connection: Connection, settings: Any
) -> None:
    settings.OPTIONS = replace(settings.OPTIONS, redis=replace(settings.OPTIONS.redis, url=NOBODY))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unhealthy", "problems": ["Redis does not answer"]}


@pytest.mark.usefixtures("connection")
def test_it_is_not_ready_without_a_database_but_lives(client: Client, database_away: None) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["the database does not answer"]
    assert client.get("/healthz").json() == {"status": "ok", "problems": []}


def test_it_is_not_ready_while_the_schema_is_an_older_one(
    client: Client, connection: Connection
) -> None:
    last = connection.execute(
        "SELECT name FROM django_migrations WHERE app = 'telemetry' ORDER BY id DESC LIMIT 1"
    ).fetchone()
    assert last is not None
    connection.execute("UPDATE django_migrations SET app = 'set aside' WHERE name = %s", last)
    try:
        answer = client.get("/readyz")
    finally:
        connection.execute("UPDATE django_migrations SET app = 'telemetry' WHERE name = %s", last)
    assert answer.status_code == 503
    assert answer.json()["problems"] == [
        f"the schema is older than this version, it lacks telemetry.{last[0]}: run "
        "`python manage.py migrate`"
    ]


@pytest.fixture
def database_away(connection: Connection) -> Any:
    """Django connects to where nobody listens."""
    kept = dict(django_connection.settings_dict)
    django_connection.close()
    django_connection.settings_dict.update(HOST="127.0.0.1", PORT=1)
    yield
    django_connection.close()
    django_connection.settings_dict.update(kept)
