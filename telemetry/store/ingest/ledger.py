"""The ledger: one row for each batch that is stored, and what the aggregates must recompute.

A batch that is split has a row as well, with no messages: it says which of them went into the
second part. So a batch is stored or split, never both, whoever asks and however late
(architecture.md, "The way of a message", step 4).
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, LiteralString

from msgspec import structs

from telemetry.core.outcome import Counts
from telemetry.core.reading import HOUR_US, Key, to_instant
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    insert_batch: LiteralString
    batch_line: LiteralString


class AlreadyStoredError(Exception):
    """The ledger holds this batch: everything of it was stored before."""


class BatchSplitError(Exception):
    """The ledger says that this batch was split: its parts are stored, not the batch.

    `second_part`: positions of the messages that belong to the second part.
    """

    def __init__(self, batch_id: str, *, second_part: list[int]) -> None:
        super().__init__(batch_id)
        self.second_part = second_part


def insert_batches(
    connection: Connection,
    batches: Sequence[ClaimedBatch],
    *,
    counts: Sequence[Counts],
    second_part: list[int] | None = None,
) -> None:
    """Enter batches inside the caller's transaction, with `second_part` as one that is split.

    Raises `AlreadyStoredError` or `BatchSplitError` of the first that cannot be entered; the
    transaction must be rolled back then.
    """
    for batch, each in zip(batches, counts, strict=True):
        values = {
            "id": batch.id,
            "source": batch.source,
            "seq": batch.seq,
            "received_at": batch.received_at,
            "second_part": second_part,
            **structs.asdict(each),
        }
        if connection.execute(Sql.insert_batch, values).fetchone() is None:
            line: Any = connection.execute(Sql.batch_line, {"id": batch.id}).fetchall()
            raise explain_line(batch, dict(line))


def explain_line(
    batch: ClaimedBatch, line: dict[str, list[int] | None]
) -> AlreadyStoredError | BatchSplitError:
    """Why a batch cannot be entered, from what the ledger has of its line: the second part by id,
    None for what is stored."""
    second_part = line.get(batch.id)
    if second_part is not None:
        return BatchSplitError(batch.id, second_part=second_part)
    if any(part is None and batch.id.startswith(batch_id) for batch_id, part in line.items()):
        return AlreadyStoredError(batch.id)
    # Parts are stored, but the row that says how the batch was split was folded meanwhile.
    return BatchSplitError(batch.id, second_part=choose_second_half(batch.messages_count))


def choose_second_half(count: int) -> list[int]:
    """The positions of the second half of so many messages."""
    return list(range(count // 2, count))


def enter_split(
    connection: Connection, batch: ClaimedBatch, *, second_part: list[int]
) -> list[int]:
    """Enter that a batch is split, in a transaction of its own; the positions that make the second
    part: the caller's, or those that another worker entered before.

    Raises `AlreadyStoredError` or `psycopg.Error`.
    """
    try:
        with connection.transaction():
            insert_batches(connection, [batch], counts=[Counts()], second_part=second_part)
    except BatchSplitError as split:
        return split.second_part
    return second_part


def is_batch_stored(connection: Connection, batch_id: str) -> bool:
    """Whether the ledger holds the batch, whole or in parts; that it was split says nothing yet."""
    line: Any = connection.execute(Sql.batch_line, {"id": batch_id}).fetchall()
    return any(
        second_part is None or (line_id != batch_id and line_id.startswith(batch_id))
        for line_id, second_part in line
    )


def insert_dirty_hours(connection: Connection, keys: Collection[Key]) -> None:
    """Note the hours that count stored readings: one row an hour, never shared with others. At its
    last instant, a reading is the hour's that ends."""
    noted = group_by_hour(sorted(keys, reverse=True))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO dirty_hour (hour, device_ids, since_ms) VALUES (%s, %s, %s)",
            [(hour, list(since), list(since.values())) for hour, since in sorted(noted.items())],
        )


def group_by_hour(keys: Sequence[Key]) -> dict[datetime, dict[int, int]]:
    """The devices of each hour that counts the readings, and how far into the hour the earliest
    reading of each is, in milliseconds.

    `keys`: sorted, the largest first.
    """
    if not keys:
        return {}
    times = [time_us for _, time_us in keys]
    first, last = (min(times) - 1) // HOUR_US, (max(times) - 1) // HOUR_US
    by_hour: defaultdict[int, dict[int, int]] = defaultdict(dict)
    if first == last:  # as nearly always, and quicker
        by_hour[first] = dict(keys)
    else:
        for device_id, time_us in keys:
            by_hour[(time_us - 1) // HOUR_US][device_id] = time_us
    return {
        to_instant(hour * HOUR_US): {
            device_id: (time_us - hour * HOUR_US) // 1_000 for device_id, time_us in since.items()
        }
        for hour, since in by_hour.items()
    }
