"""Backup and restore: gateways go on publishing, nothing is lost, nothing twice."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from psycopg.errors import InsufficientPrivilege

from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.operations.delivery_report import read_report
from tests import forks
from tests.acceptance.conftest import Gateways, Pipeline, fetch
from tests.acceptance.processes import wait_until
from tests.acceptance.test_faults import publish_many, wait_for_acknowledged

pytestmark = pytest.mark.acceptance

COUNT = 1_500


def manage(environ: dict[str, str], *arguments: str) -> str:
    """Run a command to its end; what it printed."""
    done = forks.run(("manage.py", *arguments), environ, timeout_s=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def other_database(connection: Connection, stack_environ: dict[str, str]) -> Iterator[str]:
    """An empty database beside the first, as `migrate` makes it."""
    name = "restored"
    connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    connection.execute(f"CREATE DATABASE {name}")
    environ = move_to(name, stack_environ)
    manage(environ, "migrate", "-v0")
    yield environ["DATABASE_URL"]
    wait_until(
        lambda: drop_database(connection, name), timeout_s=30, what=f"{name} has no worker any more"
    )


def move_to(name: str, environ: dict[str, str]) -> dict[str, str]:
    """The environment with another database of the same server, for every role."""
    urls = {key: value for key, value in environ.items() if key.endswith("DATABASE_URL")}
    moved = {key: urlsplit(url)._replace(path=f"/{name}").geturl() for key, url in urls.items()}
    return {**environ, **moved}


def drop_database(connection: Connection, name: str) -> bool:
    """Whether it is gone. A worker of the server itself, as of vacuum, is not ours to end."""
    try:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]
    except InsufficientPrivilege:
        return False
    return True


def assert_moved(url: str, pipeline: Pipeline, *, count: int) -> None:
    """All `count` messages are in the other database, once, and the delivery report balances."""
    with open_connection(url, name="test", statement_timeout_s=60) as connection:
        wait_until(
            lambda: read_report(connection, pipeline.queue).received >= count,
            timeout_s=60,
            what=f"{count} received",
        )
        wait_until(
            lambda: not pipeline.queue.snapshot().pending, timeout_s=60, what="nothing pending"
        )
        report = read_report(connection, pipeline.queue, count_rows=True)
        bad = count // 50
        assert report.is_balanced, report
        assert (report.received, report.rows, report.dead_letters) == (count, count - bad, bad)
        assert fetch(connection, "SELECT count(DISTINCT code) FROM device") != [(0,)]


def test_it_moves_to_another_database_while_gateways_publish(
    ingesting: Pipeline, gateways: Gateways, other_database: str, tmp_path: Path
) -> None:
    """The pools stop, the bridge goes on: what comes meanwhile waits in Redis."""
    infos = publish_many(gateways, count=COUNT)
    wait_until(lambda: ingesting.report().stored > 500, timeout_s=60, what="500 stored")
    ingesting.processes["ingest"].stop()
    infos += publish_many(gateways, count=COUNT, offset=COUNT)
    saved = manage(ingesting.environ, "backup", str(tmp_path / "all.tar"))
    infos += publish_many(gateways, count=COUNT, offset=2 * COUNT)
    assert "pending batches" in saved
    environ = move_to("restored", ingesting.environ)
    assert "Redis is in use and was not changed" in manage(
        environ, "restore", str(tmp_path / "all.tar")
    )
    ingesting.environ = environ
    ingesting.add_worker("ingest", concurrency=2)
    wait_for_acknowledged(infos)
    assert_moved(other_database, ingesting, count=3 * COUNT)


def test_it_begins_again_from_a_backup_when_database_and_redis_are_gone(
    empty_pipeline: Pipeline, gateways: Gateways, other_database: str, tmp_path: Path
) -> None:
    pipeline = empty_pipeline
    bridge = pipeline.add_bridge()
    worker = pipeline.add_worker("ingest", concurrency=2)
    infos = publish_many(gateways, count=COUNT)
    wait_for_acknowledged(infos)
    pipeline.wait_for_received(COUNT)
    worker.stop()
    infos += publish_many(gateways, count=COUNT, offset=COUNT)
    wait_until(
        lambda: pipeline.queue.snapshot().received_messages == 2 * COUNT,
        timeout_s=60,
        what="the second part waits in Redis",
    )
    bridge.stop()
    infos += publish_many(gateways, count=COUNT, offset=2 * COUNT)  # waits in the broker
    wait_for_acknowledged(infos)
    manage(pipeline.environ, "backup", str(tmp_path / "all.tar"))
    pipeline.queue.redis.flushdb()
    pipeline.environ = {
        **move_to("restored", pipeline.environ),
        "BATCH_STALE_AFTER_S": "1",
    }
    manage(pipeline.environ, "restore", str(tmp_path / "all.tar"))
    pipeline.add_worker("ingest", concurrency=2)
    pipeline.add_worker("maintenance")
    pipeline.add("beat", "-m", "celery", "-A", "config", "beat")
    pipeline.add_bridge()
    assert_moved(other_database, pipeline, count=3 * COUNT)


def test_it_saves_a_state_that_balances_while_messages_are_stored(
    ingesting: Pipeline, gateways: Gateways, other_database: str, tmp_path: Path
) -> None:
    """Nothing is stopped: what was acknowledged before the backup is in it, once."""
    first = publish_many(gateways, count=COUNT)
    wait_for_acknowledged(first)
    wait_until(
        lambda: ingesting.queue.snapshot().received_messages >= COUNT, timeout_s=60, what="received"
    )
    later = publish_many(gateways, count=2 * COUNT, offset=COUNT)
    manage(ingesting.environ, "backup", str(tmp_path / "all.tar"))
    wait_for_acknowledged(later)
    ingesting.wait_for_received(3 * COUNT)
    for process in ingesting.processes.values():
        process.stop()
    ingesting.queue.redis.delete(*ingesting.queue.redis.keys("ingest:*"))
    ingesting.environ = {
        **move_to("restored", ingesting.environ),
        "BATCH_STALE_AFTER_S": "1",
    }
    manage(ingesting.environ, "restore", str(tmp_path / "all.tar"))
    ingesting.add_worker("ingest")
    ingesting.add_worker("maintenance")
    ingesting.add("beat", "-m", "celery", "-A", "config", "beat")
    time.sleep(1)
    wait_until(lambda: not ingesting.queue.snapshot().pending, timeout_s=60, what="nothing pending")
    with open_connection(other_database, name="test", statement_timeout_s=60) as connection:
        report = read_report(connection, ingesting.queue, count_rows=True)
        assert report.is_balanced, report
        assert COUNT <= report.received <= 3 * COUNT
        last = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
        stored = fetch(connection, f"SELECT count(*) FROM reading WHERE time < '{last}'")
        assert stored[0][0] >= COUNT - COUNT // 50
