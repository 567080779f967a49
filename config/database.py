"""What `DATABASE_URL` says, for Django and workers alike: read by libpq's own rules, once."""

import re
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from config.env import SettingError

CONNECT_TIMEOUT_S = 5
ENCODING = {"client_encoding": "UTF8"}  # texts are sent as UTF-8, whatever the URL asks for
# For whom row-level security applies to, until a request opens one account
# (telemetry/store/db/account_scope.py).
EVERY_ACCOUNT = "-c app.account_id=0"
DJANGO_NAMES = {
    "dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT",
}  # fmt: skip


def parse_database_url(url: str) -> dict[str, str]:
    """Its parts and the options of its query, decoded. Raises `SettingError`, without a secret."""
    if not re.match(r"postgres(ql)?://", url):
        raise SettingError("DATABASE_URL=(hidden): expected postgres:// at its start")
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.Error as error:
        # Its other words may quote the password.
        unknown = re.search(r'invalid URI query parameter: "(.*)"', str(error))
        if unknown:
            raise SettingError(
                f"DATABASE_URL=(hidden): option {unknown[1]!r} is unknown: expected options of "
                "libpq after the question mark, like sslmode, connect_timeout, application_name"
            ) from error
        raise SettingError(
            "DATABASE_URL=(hidden): cannot be read: expected "
            "postgres://USER:PASSWORD@HOST:PORT/NAME?OPTION=VALUE&..., other characters as %XX"
        ) from error
    if not given.get("dbname"):
        raise SettingError(
            "DATABASE_URL=(hidden): names no database: expected "
            "postgres://USER:PASSWORD@HOST:PORT/NAME"
        )
    _read_timeout_s(given)
    return given


def read_connect_timeout_s(url: str) -> int:
    """How long connecting may take. Raises `SettingError`."""
    return _read_timeout_s(parse_database_url(url))


def _read_timeout_s(given: dict[str, str]) -> int:
    text = given.get("connect_timeout", str(CONNECT_TIMEOUT_S))
    if not (text.isascii() and text.isdecimal() and int(text)):  # of libpq 0 is without end
        raise SettingError(
            f"DATABASE_URL=(hidden): connect_timeout is {text!r}: expected whole seconds, 1 or more"
        )
    return int(text)


def make_connect_arguments(url: str, *, name: str, options: str, **defaults: Any) -> dict[str, Any]:
    """Arguments of `psycopg.connect`. The URL wins over `name` (of the application) and the
    defaults; the server's `options` are added to its own and win."""
    given = parse_database_url(url)
    own = {"application_name": name, "connect_timeout": CONNECT_TIMEOUT_S, **defaults}
    options = f"{given.get('options', '')} {options}".strip()
    return {**own, **given, **ENCODING, "options": options}


def make_django_database(url: str, *, name: str) -> dict[str, Any]:
    """An entry of Django's `DATABASES`, of the same."""
    given = parse_database_url(url)
    options = {key: value for key, value in given.items() if key not in DJANGO_NAMES}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{django: given.get(libpq, "") for libpq, django in DJANGO_NAMES.items()},
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "application_name": name,
            "connect_timeout": CONNECT_TIMEOUT_S,
            **options,
            **ENCODING,
            "options": f"{given.get('options', '')} {EVERY_ACCOUNT}".strip(),
        },
    }
