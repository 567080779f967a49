"""`DATABASE_URL` is read once, by libpq's rules, for Django and for workers."""

from typing import Any

import psycopg
import pytest

from config.database import make_connect_arguments, make_django_database
from config.env import SettingError, read_options
from config.options import DatabaseOptions
from telemetry.store.db.connection import open_connection

URL = (
    "postgres://the%20user:p%40ss%2Fword@db.example:6432/a%20name?sslmode=verify-full"
    "&connect_timeout=11&application_name=ours&options=-c%20search_path%3Dtds"
)


def django_parameters(url: str) -> dict[str, Any]:
    """What Django hands to psycopg."""
    from django.db.backends.postgresql.base import DatabaseWrapper

    settings = {**make_django_database(url, name="tds-web"), "AUTOCOMMIT": True, "TIME_ZONE": None}
    return DatabaseWrapper(settings).get_connection_params()


def worker_parameters(url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a worker hands to psycopg."""

    class SeenError(Exception):
        pass

    def connect(conninfo: str = "", **given: Any) -> None:
        raise SeenError(psycopg.conninfo.conninfo_to_dict(conninfo, **given))

    monkeypatch.setattr("psycopg.connect", connect)
    with pytest.raises(SeenError) as seen:
        open_connection(url, name="tds-ingest", statement_timeout_s=60)
    found = seen.value.args[0]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(
            URL,
            {
                "user": "the user",
                "password": "p@ss/word",
                "host": "db.example",
                "port": "6432",
                "dbname": "a name",
                "sslmode": "verify-full",
                "connect_timeout": "11",
                "application_name": "ours",
            },
            id="options and characters that are written as %XX",
        ),
        pytest.param(
            "postgresql://u@/x?host=%2Fvar%2Frun%2Fpostgresql",
            {"user": "u", "dbname": "x", "host": "/var/run/postgresql"},
            id="a socket in the query",
        ),
        pytest.param(
            "postgres://u@%2Frun%2Fpg/x", {"host": "/run/pg", "dbname": "x"}, id="a socket as host"
        ),
        pytest.param(
            "postgres://u@a:1,b:2/x?target_session_attrs=read-write",
            {"host": "a,b", "port": "1,2", "target_session_attrs": "read-write"},
            id="two hosts",
        ),
    ],
)
def test_it_tells_django_and_workers_the_same(
    url: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for found in (django_parameters(url), worker_parameters(url, monkeypatch)):
        assert {name: str(found[name]) for name in expected} == expected


def test_it_has_names_and_limits_where_the_address_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    django = django_parameters("postgres://somebody@h/x")
    assert (django["application_name"], django["connect_timeout"]) == ("tds-web", 5)
    worker = worker_parameters("postgres://somebody@h/x", monkeypatch)
    assert (worker["application_name"], str(worker["connect_timeout"])) == ("tds-ingest", "5")


@pytest.mark.parametrize("asked", ["", "?client_encoding=latin1", "?client_encoding=SQL_ASCII"])
def test_it_sends_texts_as_utf8_whatever_the_address_asks_for(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgres://u@h/x{asked}"
    for found in (django_parameters(url), worker_parameters(url, monkeypatch)):
        assert found["client_encoding"] == "UTF8"


def test_it_adds_the_limits_of_workers_to_the_options_of_the_address() -> None:
    found = make_connect_arguments(URL, name="x", options="-c lock_timeout=30s")
    assert found["options"] == "-c search_path=tds -c lock_timeout=30s"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgres://u:hush@h/x?sslmodus=require", "option 'sslmodus' is unknown"),
        ("postgres://u:hush@h/x?sslmode", "cannot be read"),
        ("postgres://u:hush%zz@h/x", "cannot be read"),
        ("postgres://u:hush@[::1/x", "cannot be read"),
        ("mysql://u:hush@h/x", "expected postgres:// at its start"),
        ("host=h dbname=x password=hush", "expected postgres:// at its start"),
        ("postgres://u:hush@h", "names no database"),
        ("postgres://u:hush@h/?sslmode=require", "names no database"),
        ("postgres://u:hush@h/x?connect_timeout=0", "connect_timeout is '0': expected whole"),
        ("postgres://u:hush@h/x?connect_timeout=-1", "connect_timeout is '-1': expected whole"),
        ("postgres://u:hush@h/x?connect_timeout=", "connect_timeout is '': expected whole"),
    ],
)
def test_it_says_in_one_line_what_is_wrong_with_the_address(url: str, words: str) -> None:
    with pytest.raises(SettingError) as caught:
        read_options(DatabaseOptions, {"DATABASE_URL": url})
    text = str(caught.value)
    assert words in text
    assert text.startswith("DATABASE_URL=(hidden): ")
    assert "\n" not in text
    assert "hush" not in text
