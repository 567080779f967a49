"""Fixtures: real servers for the run, a clean database and queue for each test."""

import gc
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings
from redis import Redis

from telemetry.store.db.connection import Connection, open_connection
from tests.databases import clear_tables, connect_as, is_usable, provide_cluster

SINGLY = re.compile("tests/(acceptance/|integration/store/test_verification|unit/test_simulation)")
IN_BROWSER = re.compile("tests/acceptance/test_(admin|dashboard|live)")
CONTRACT = Path(__file__).parent / "contract"

# Machines are shared: how long an example took says nothing.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


gc.disable()  # until all is imported


def pytest_collection_finish() -> None:
    """What is imported by now stays: not to look through it again and again saves a tenth."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file goes to one process, for its fixtures and what it warms up; tests that take long and
    share nothing go singly, and those in a browser share it."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            is_single = SINGLY.match(nodeid) and not IN_BROWSER.match(nodeid)
            return nodeid if is_single else super()._split_scope(nodeid)

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session", autouse=True)
def csrf_tokens() -> None:
    """The random tokens of forms have two letters, so that what a page must not hold ("Z99") is
    never in it by chance."""
    from django.middleware import csrf

    csrf.CSRF_ALLOWED_CHARS = "qz"


@pytest.fixture(scope="session")
def cluster() -> None:
    """Servers that start from now on begin with the schema, and leave syncing to the kernel: a
    process that is killed loses nothing by it. Commands under test take this over as well."""
    from tests.servers.server_set import read_given

    os.environ["TEST_FSYNC"] = "off"
    if not read_given():
        os.environ["TEST_CLUSTER"] = str(provide_cluster())


@pytest.fixture(scope="session")
def servers(cluster: None) -> Iterator[Any]:
    """PostgreSQL with TimescaleDB, Redis and Mosquitto, on free ports, for this process only."""
    from config.celery import app
    from tests.servers.server_set import ServerSet

    with ServerSet() as running:
        app.conf.broker_url = running.environ["REDIS_URL"]
        yield running


@pytest.fixture(scope="session")
def django_db_setup(
    servers: Any, django_test_environment: None, django_db_blocker: Any
) -> Iterator[None]:
    """The migrated database of the run's own server; on a given one, a database for the tests."""
    from django.db import connections
    from django.test.utils import setup_databases, teardown_databases

    address = urlsplit(servers.environ.get("WEB_DATABASE_URL", servers.environ["DATABASE_URL"]))
    connections["default"].settings_dict.update(
        NAME=address.path.lstrip("/"),
        USER=address.username,
        PASSWORD=address.password,
        HOST=address.hostname,
        PORT=address.port,
    )
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False) if servers.is_given else []
        yield
        connections.close_all()
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="module")
def as_owner(servers: Any, django_db_setup: None) -> Iterator[None]:
    """In a whole file, Django connects as the role that migrates, not as the web process does."""
    with connect_as(servers.environ["DATABASE_URL"]):
        yield


@pytest.fixture(scope="session")
def database_url(servers: Any, django_db_setup: None) -> str:
    """The migrated test database, for connections of one's own and for other processes."""
    from django.db import connections

    address = urlsplit(servers.environ["DATABASE_URL"])
    name = connections["default"].settings_dict["NAME"]
    return address._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def stack_environ(servers: Any, database_url: str) -> dict[str, str]:
    """The environment of every process of the product in this run."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
        **servers.environ,
        "DATABASE_URL": database_url,
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "WEB_HTTPS": "false",
        "DEMO": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LOG_FORMAT": "console",
        # What was lost is to be sent again soon; that the living is, too, makes tests harder.
        "SILENCED_CHECKS": "telemetry.E005",
    }


@pytest.fixture
def environ(stack_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The same for code under test in this process."""
    for name, value in stack_environ.items():
        if name != "DJANGO_SETTINGS_MODULE":
            monkeypatch.setenv(name, value)
    return stack_environ


@pytest.fixture
def clear(connection: Connection) -> Callable[[], None]:
    """Empties the database again."""
    return lambda: clear_tables(connection)


@pytest.fixture(scope="session")
def kept_connections() -> Iterator[dict[str, Connection]]:
    """Connections by address, which tests use one after the other: to connect takes as long as to
    empty the database."""
    kept: dict[str, Connection] = {}
    yield kept
    for connection in kept.values():
        connection.close()


@pytest.fixture
def connection(
    database_url: str, django_db_blocker: Any, kept_connections: dict[str, Connection]
) -> Iterator[Connection]:
    """A connection to an empty database; Django's own may be used beside it."""
    from django.db import connections

    with django_db_blocker.unblock():
        opened = kept_connections.pop(database_url, None)
        if opened is None or not is_usable(opened):
            opened = open_connection(database_url, name="test", statement_timeout_s=60)
        clear_tables(opened)
        # A test before this one may have ended the server: Django connects anew.
        if connections["default"].connection is not None and not connections["default"].is_usable():
            connections["default"].close()
        yield opened
    kept_connections[database_url] = opened


@pytest.fixture
def fleet(connection: Connection) -> None:
    """The fleet that the contract's cases assume."""
    from django.core.management import call_command

    call_command("load_fleet", str(CONTRACT / "fleet.json"), verbosity=0)


@pytest.fixture
def queue(environ: dict[str, str]) -> Iterator[Any]:
    """The batch queue on an empty Redis."""
    from config.env import read_options
    from config.options import QueueOptions
    from config.queue import build_celery_app, connect_redis
    from telemetry.queue.batches import BatchQueue

    options = read_options(QueueOptions, environ)
    redis: Redis[bytes] = connect_redis(options.redis)
    redis.flushdb()
    app = build_celery_app(options)
    yield BatchQueue(redis, app)
    app.close()
    redis.close()
