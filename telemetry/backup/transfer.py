"""Write a backup while the system runs; load one into an empty system.

Redis is read first, the database afterwards, at one instant: whatever was received before is in one
of the two, or in both, and then the batch's id keeps it from being stored twice.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from redis import Redis, RedisError

from telemetry.backup.archive import VERSION, ArchiveReader, ArchiveWriter, BackupError, Head
from telemetry.backup.queue import QueueLoader, is_in_use, save_batches, save_keys
from telemetry.backup.tables import (
    copy_in,
    copy_out,
    empty_tables,
    find_filled,
    list_migrations,
    list_stored_batches,
    list_tables,
    move_sequences,
    read_ledger_ends,
    squash,
)
from telemetry.store.db.connection import Connection
from telemetry.store.db.edition import read_edition
from telemetry.store.operations.delivery_report import count_in_flight

KEYS_PART = "queue-keys"
BATCHES_PART = "queue-batches"

Progress = Callable[[str, int], None]  # part, bytes


class Moved(Struct, frozen=True):
    """What a backup holds: rows by table, pending batches. `kept_queue`: Redis was left alone."""

    rows: dict[str, int]
    batches: int
    kept_queue: bool = False


def save(
    path: Path, *, connection: Connection, redis: Redis, progress: Progress = lambda *_: None
) -> Moved:
    """Write a backup. Raises `psycopg.Error`, `redis.RedisError`, `OSError`."""
    with connection.transaction():
        # The instant of a transaction is that of its first query: the head is read before Redis,
        # the rows after it, in two transactions.
        head = _make_head(connection)
    writer = ArchiveWriter(path, head)
    try:
        keys = save_keys(redis)
        writer.write_part(KEYS_PART, [keys], rows=[1])
        batches = list(save_batches(redis))
        writer.write_part(BATCHES_PART, batches, rows=[len(batches)])
        rows: dict[str, int] = {}
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute("SET LOCAL statement_timeout = 0")
            for table in head.tables:
                counted: list[int] = []
                blocks = copy_out(connection, table, on_end=counted.append)
                writer.write_part(table.name, _watched(blocks, table.name, progress), rows=counted)
                rows[table.name] = counted[-1]
        writer.finish()
    except BaseException:
        writer.abort()
        raise
    return Moved(rows, len(batches))


def load(
    path: Path, *, connection: Connection, redis: Redis, progress: Progress = lambda *_: None
) -> Moved:
    """Load a backup into a database that `migrate` made and nothing has written to.

    All or nothing. Redis is loaded when nothing is in it; one that is in use is kept: then its
    pending batches come on top, once. Raises `BackupError`, `psycopg.Error`, `redis.RedisError`.
    """
    reader = ArchiveReader(path)
    loader = QueueLoader(redis)
    try:
        with connection.transaction():
            connection.execute("SET LOCAL statement_timeout = 0")
            # The transaction waits while Redis is loaded.
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            connection.execute("SET LOCAL telemetry.is_restoring = 'on'")
            _check(reader, connection)
            rows = _load_tables(reader, connection, progress)
            kept = is_in_use(redis)
            if not kept:
                keys = b"".join(reader.read_part(KEYS_PART))
                load_queue(loader, connection, keys=keys, batches=reader.read_part(BATCHES_PART))
    except BaseException as error:
        _abort(loader, error)
        raise
    finally:
        reader.close()
    return Moved(rows, len(loader.pending), kept_queue=kept)


def _make_head(connection: Connection) -> Head:
    return Head(
        VERSION,
        datetime.now(UTC).isoformat(timespec="seconds"),
        read_edition(connection.cursor()),
        list_migrations(connection),
        list_tables(connection),
    )


def _check(reader: ArchiveReader, connection: Connection) -> None:
    here = _make_head(connection)
    missing = sorted(squash(reader.head.migrations) ^ squash(here.migrations))
    if missing:
        raise BackupError(
            f"the schema differs from the backup's in {', '.join(missing[:3])}: load it with the "
            f"release that wrote it ({reader.head.taken_at}), then migrate"
        )
    if reader.head.edition != here.edition:
        raise BackupError(
            f"the backup is from TimescaleDB's {reader.head.edition} edition, this server has "
            f"{here.edition}: load it on a server with the same edition"
        )
    if filled := find_filled(connection, here.tables):
        raise BackupError(
            f"DATABASE_URL: {', '.join(filled[:5])} hold rows: expected an empty database after "
            "manage.py migrate"
        )


def _load_tables(
    reader: ArchiveReader, connection: Connection, progress: Progress
) -> dict[str, int]:
    tables = reader.head.tables
    empty_tables(connection, [table.name for table in tables])
    rows = {}
    for table in tables:
        blocks = _watched(reader.read_part(table.name), table.name, progress)
        rows[table.name] = copy_in(connection, table, blocks)
        if rows[table.name] != reader.parts[table.name].rows:
            raise BackupError(
                f"{table.name}: {rows[table.name]} rows were loaded: expected "
                f"{reader.parts[table.name].rows}"
            )
    move_sequences(connection, tables)
    return rows


def load_queue(
    loader: QueueLoader, connection: Connection, *, keys: bytes, batches: Iterator[bytes]
) -> None:
    """Load the queue beside the ledger of a loaded database. Batches that are in the ledger as
    well end by themselves: their id says so."""
    loader.load_keys(keys)
    loader.load_batches(batches)
    pending = loader.pending
    stems = sorted({batch.id.partition(".")[0] for batch in pending})
    in_flight = count_in_flight(pending, list_stored_batches(connection, stems))
    messages, newest = read_ledger_ends(connection)
    loader.set_counters(
        received_messages=messages + in_flight, received_batches=max(newest, loader.newest_seq)
    )


def _abort(loader: QueueLoader, error: BaseException) -> None:
    """A Redis that keeps half of the queue would count as one in use with the next try."""
    try:
        loader.abort()
    except RedisError as second:
        cause = " ".join(str(error).split())
        raise BackupError(
            f"REDIS_URL: nothing was loaded ({cause}), and Redis holds a part of the queue that "
            f"could not be removed ({second}): empty it before the next try"
        ) from error


def _watched(blocks: Iterator[bytes], name: str, progress: Progress) -> Iterator[bytes]:
    for block in blocks:
        progress(name, len(block))
        yield block
