"""Batches that wait in Redis come through backup and restore once, whatever happens to them."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from redis.exceptions import ConnectionError as RedisConnectionError

from telemetry.backup.archive import BackupError
from telemetry.backup.queue import QueueLoader, save_batches, save_keys
from telemetry.backup.transfer import load, load_queue, save
from telemetry.core.batch import (
    BATCH_KEY,
    COUNTERS_KEY,
    PENDING_KEY,
    SESSIONS_KEY,
    RawMessage,
    half_ids,
)
from telemetry.core.outcome import Counts
from telemetry.queue.batches import BatchQueue, ClaimedBatch
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.ingest.ledger import (
    AlreadyStoredError,
    BatchSplitError,
    enter_split,
    insert_batches,
)
from telemetry.store.operations.delivery_report import read_report
from tests import batches
from tests.messages import make_message

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("connection")]

NOW = datetime(2026, 11, 1, tzinfo=UTC)
Act = Callable[[BatchQueue, Connection, str], object]


def make_messages(count: int) -> list[RawMessage]:
    return [make_message(valor=n) for n in range(count)]


def claim(queue: BatchQueue, batch_id: str) -> ClaimedBatch:
    batch = batches.claim(queue, batch_id)
    assert batch is not None
    return batch


def hold(queue: BatchQueue, _: Connection, batch_id: str) -> None:
    claim(queue, batch_id)
    queue.hold(batch_id)


def take_up(queue: BatchQueue, _: Connection, batch_id: str) -> None:
    claim(queue, batch_id)


def enter(queue: BatchQueue, connection: Connection, batch_id: str) -> None:
    """A worker notes in the ledger that it splits the batch, and ends there."""
    batch = claim(queue, batch_id)
    second = list(range(1, batch.messages_count))
    enter_split(connection, batch, second_part=second)


def split(queue: BatchQueue, connection: Connection, batch_id: str) -> None:
    batch = claim(queue, batch_id)
    second = list(range(1, batch.messages_count))
    second = enter_split(connection, batch, second_part=second)
    queue.split(batch, batch.read_messages(), second_part=second)


def split_and_hold_the_second(queue: BatchQueue, connection: Connection, batch_id: str) -> None:
    split(queue, connection, batch_id)
    hold(queue, connection, half_ids(batch_id)[1])


def split_twice(queue: BatchQueue, connection: Connection, batch_id: str) -> None:
    split(queue, connection, batch_id)
    split(queue, connection, half_ids(batch_id)[1])


def store(queue: BatchQueue, connection: Connection, batch_id: str) -> None:
    """As a worker does: into the ledger, or on to the parts that it names."""
    if enter_stored(queue, connection, batch_id):
        queue.finish(batch_id)


def enter_stored(queue: BatchQueue, connection: Connection, batch_id: str) -> bool:
    """A worker stores the batch, and ends before it says so; False: it was split."""
    batch = claim(queue, batch_id)
    counts = Counts(messages=batch.messages_count, messages_stored=batch.messages_count)
    try:
        with connection.transaction():
            insert_batches(connection, [batch], counts=[counts])
    except AlreadyStoredError:
        pass
    except BatchSplitError as found:
        queue.split(batch, batch.read_messages(), second_part=found.second_part)
        return False
    return True


def split_and_store_the_first(queue: BatchQueue, connection: Connection, batch_id: str) -> None:
    split(queue, connection, batch_id)
    store(queue, connection, half_ids(batch_id)[0])


def split_and_store_the_second(queue: BatchQueue, connection: Connection, batch_id: str) -> None:
    split(queue, connection, batch_id)
    store(queue, connection, half_ids(batch_id)[1])


def do_nothing(*_: object) -> None:
    pass


def run_at_reads_of(
    queue: BatchQueue,
    batch_id: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    before: Callable[[], object],
    after: Callable[[], object],
) -> None:
    """Let something happen right before and after the first time that a batch's body is read."""
    read: Callable[[str], Any] = queue.redis.hgetall
    done: list[str] = []

    def hgetall(name: str) -> Any:
        if not name.endswith(batch_id) or done:
            return read(name)
        done.append(name)
        before()
        fields = read(name)
        after()
        return fields

    monkeypatch.setattr(queue.redis, "hgetall", hgetall)


def store_all(queue: BatchQueue, connection: Connection) -> None:
    while unfinished := queue.snapshot().unfinished:
        for batch in unfinished:
            store(queue, connection, batch.id)


MOMENTS = [
    do_nothing,
    hold,
    take_up,
    enter,
    split,
    split_and_hold_the_second,
    split_twice,
    split_and_store_the_first,
    split_and_store_the_second,
    store,
    enter_stored,
]


@pytest.mark.parametrize("before", MOMENTS)
def test_it_loses_and_doubles_nothing_when_a_batch_moves_while_it_is_saved(
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    before: Act,
) -> None:
    """Something happens to it before its body is read, and again before the database's part: this
    one's ledger stands for that."""
    for after in MOMENTS:
        queue.redis.flushdb()
        connection.execute("DELETE FROM batch")
        with monkeypatch.context() as patch:
            keys, batches = save_while_moving(queue, connection, patch, before=before, after=after)
        queue.redis.flushdb()
        load_queue(QueueLoader(queue.redis), connection, keys=keys, batches=iter(batches))
        snapshot, report = queue.snapshot(), read_report(connection, queue)
        assert (report.received, report.difference) == (5, 0), after
        assert snapshot.pending_messages == sum(one.messages_count for one in snapshot.pending), (
            after
        )
        store_all(queue, connection)
        report = read_report(connection, queue)
        assert (report.received, report.stored, report.difference) == (5, 5, 0), after
        assert queue.snapshot().pending_messages == 0, after


def save_while_moving(
    queue: BatchQueue,
    connection: Connection,
    patch: pytest.MonkeyPatch,
    *,
    before: Act,
    after: Act,
) -> tuple[bytes, list[bytes]]:
    """Redis's part of a backup with two batches, of which one moves."""
    batch_id = queue.put(make_messages(4), source="test")
    queue.put(make_messages(1), source="test")

    def act_after() -> None:
        for found in (batch_id, half_ids(batch_id)[1]):
            if queue.is_pending([found]):
                with suppress(AlreadyStoredError):  # then a worker would finish it
                    after(queue, connection, found)
                return

    run_at_reads_of(
        queue,
        batch_id,
        patch,
        before=lambda: before(queue, connection, batch_id),
        after=act_after,
    )
    return save_keys(queue.redis), list(save_batches(queue.redis))


@pytest.mark.parametrize("before", [split_and_hold_the_second, split_and_store_the_first])
def test_it_brings_back_a_batch_that_was_split_before_its_body_was_read(
    queue: BatchQueue,
    connection: Connection,
    clear: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: Act,
) -> None:
    batch_id = queue.put(make_messages(4), source="test")
    run_at_reads_of(
        queue,
        batch_id,
        monkeypatch,
        before=lambda: before(queue, connection, batch_id),
        after=lambda: None,
    )
    save(tmp_path / "b", connection=connection, redis=queue.redis)
    queue.redis.flushdb()
    clear()
    load(tmp_path / "b", connection=connection, redis=queue.redis)
    store_all(queue, connection)
    report = read_report(connection, queue)
    assert (report.received, report.stored, report.difference) == (4, 4, 0)


def test_it_saves_every_part_when_parts_are_split_as_well_before_they_are_read(
    queue: BatchQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = queue.put(make_messages(8), source="test")
    read: Callable[[str], Any] = queue.redis.hgetall

    def hgetall(name: str) -> Any:
        if int(queue.redis.hget(name, "messages") or 0) > 1:
            split(queue, connection, name.removeprefix(BATCH_KEY))
        return read(name)

    with monkeypatch.context() as patch:
        patch.setattr(queue.redis, "hgetall", hgetall)
        saved = list(save_batches(queue.redis))
    assert len(saved) == 8
    queue.redis.flushdb()
    loader = QueueLoader(queue.redis)
    loader.load_batches(iter(saved))
    assert {batch.id.partition(".")[0] for batch in loader.pending} == {batch_id}
    assert sum(batch.messages_count for batch in loader.pending) == 8


@pytest.mark.parametrize("move", [hold, take_up], ids=["put aside", "taken up again"])
def test_it_saves_a_batch_once_when_it_moves_between_the_lists(
    queue: BatchQueue,
    connection: Connection,
    clear: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    move: Act,
) -> None:
    batch_id = queue.put(make_messages(3), source="test")
    if move is take_up:
        hold(queue, connection, batch_id)
    read: Callable[..., Any] = queue.redis.zrange

    def zrange(name: str, *arguments: Any, **options: Any) -> Any:
        found = read(name, *arguments, **options)
        if name == PENDING_KEY:
            move(queue, connection, batch_id)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(queue.redis, "zrange", zrange)
        assert save(tmp_path / "b", connection=connection, redis=queue.redis).batches == 1
    queue.redis.flushdb()
    clear()
    load(tmp_path / "b", connection=connection, redis=queue.redis)
    assert queue.snapshot().pending_messages == 3
    assert read_report(connection, queue).received == 3


def back_up(
    queue: BatchQueue,
    connection: Connection,
    path: Path,
    *,
    batches: int,
    clear: Callable[[], None],
) -> None:
    """A backup with so many batches, of which nothing is left outside of it."""
    for _ in range(batches):
        queue.put(make_messages(2), source="test")
    queue.redis.sadd(SESSIONS_KEY, "bridge-1")
    save(path, connection=connection, redis=queue.redis)
    queue.redis.flushdb()
    clear()


def assert_loaded(queue: BatchQueue, connection: Connection, *, messages: int) -> None:
    report = read_report(connection, queue)
    assert (report.received, report.in_flight, report.difference) == (messages, messages, 0)
    assert queue.snapshot().pending_messages == messages


def test_it_loads_a_queue_for_longer_than_a_transaction_may_wait(
    queue: BatchQueue,
    database_url: str,
    connection: Connection,
    clear: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back_up(queue, connection, tmp_path / "b", batches=3, clear=clear)
    make: Callable[..., Any] = queue.redis.pipeline

    def pipeline(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.6)
        return make(*arguments, **options)

    monkeypatch.setattr(queue.redis, "pipeline", pipeline)
    with open_connection(database_url, name="test", statement_timeout_s=60) as impatient:
        impatient.execute("SET idle_in_transaction_session_timeout = '300ms'")
        load(tmp_path / "b", connection=impatient, redis=queue.redis)
    assert_loaded(queue, connection, messages=6)


def test_it_writes_many_batches_with_one_wait_for_the_disk(
    queue: BatchQueue,
    connection: Connection,
    clear: Callable[[], None],
    tmp_path: Path,
) -> None:
    back_up(queue, connection, tmp_path / "b", batches=300, clear=clear)
    before: Any = queue.redis.info("commandstats")
    load(tmp_path / "b", connection=connection, redis=queue.redis)
    after: Any = queue.redis.info("commandstats")
    calls = after["cmdstat_exec"]["calls"] - before.get("cmdstat_exec", {"calls": 0})["calls"]
    assert calls < 10
    assert_loaded(queue, connection, messages=600)


@pytest.mark.parametrize("stood", [[], ["bridge-9"]], ids=["empty", "with a session"])
def test_it_leaves_redis_as_it_was_when_a_restore_fails_and_loads_with_the_next_try(
    queue: BatchQueue,
    connection: Connection,
    clear: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stood: list[str],
) -> None:
    back_up(queue, connection, tmp_path / "b", batches=3, clear=clear)
    for session in stood:
        queue.redis.sadd(SESSIONS_KEY, session)
    before = save_keys(queue.redis)

    def hset(*_: object, **__: object) -> None:
        raise RedisConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(queue.redis, "hset", hset)
        with pytest.raises(RedisConnectionError, match="gone"):
            load(tmp_path / "b", connection=connection, redis=queue.redis)
    assert queue.redis.keys("*") == [SESSIONS_KEY.encode()] * len(stood)
    assert save_keys(queue.redis) == before
    assert not load(tmp_path / "b", connection=connection, redis=queue.redis).kept_queue
    assert_loaded(queue, connection, messages=6)
    assert queue.redis.sismember(SESSIONS_KEY, "bridge-1")


def test_it_takes_the_queue_back_when_the_database_is_gone_before_the_commit(
    queue: BatchQueue,
    database_url: str,
    connection: Connection,
    clear: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through the command, which says so in one line."""
    back_up(queue, connection, tmp_path / "b", batches=3, clear=clear)

    def end_session(*_: object, **__: object) -> None:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'tds-restore'"
        )

    with monkeypatch.context() as patch:
        patch.setattr(
            "telemetry.backup.transfer.list_stored_batches", end_session_first(end_session)
        )
        with pytest.raises(CommandError, match="DATABASE_URL: nothing was loaded: ") as raised:
            call_command("restore", str(tmp_path / "b"))
    assert "\n" not in str(raised.value)
    assert queue.redis.keys("*") == []
    call_command("restore", str(tmp_path / "b"))
    assert_loaded(queue, connection, messages=6)


def end_session_first(end_session: Callable[..., None]) -> Callable[..., Any]:
    from telemetry.backup.tables import list_stored_batches

    def list_batches(connection: Connection, stems: list[str]) -> dict[str, int]:
        end_session()
        return list_stored_batches(connection, stems)

    return list_batches


def test_it_says_what_to_do_when_redis_cannot_be_put_back(
    queue: BatchQueue,
    connection: Connection,
    clear: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back_up(queue, connection, tmp_path / "b", batches=1, clear=clear)

    def fail(*_: object, **__: object) -> None:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(queue.redis, "hset", fail)
    monkeypatch.setattr(queue.redis, "delete", fail)
    with pytest.raises(BackupError, match=r"REDIS_URL: nothing was loaded \(gone\).*empty it"):
        load(tmp_path / "b", connection=connection, redis=queue.redis)
    assert queue.redis.exists(COUNTERS_KEY) == 0
