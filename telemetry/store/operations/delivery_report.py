"""The delivery report: received = stored + duplicate + dead-lettered + in flight, proved.

Messages are counted by their best outcome: stored if at least one reading was stored, else
duplicate if at least one was a duplicate, else dead-lettered. Readings and dead letters are
counted by themselves beside it. Every difference must be 0, also while messages flow.
"""

from typing import Any, LiteralString

from msgspec import Struct, field

from telemetry.core.batch import list_above
from telemetry.queue.batches import BatchQueue, PendingBatch
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    report: LiteralString


class Readings(Struct):
    """Readings found in messages = stored + duplicate + rejected."""

    found: int
    stored: int
    duplicate: int
    rejected: int


class DeliveryReport(Struct):
    """The totals of the whole system. Plain names are messages.

    `broker_dropped`: what the broker, by its own count, acknowledged and dropped because the queue
    of a client was full. It never reached a bridge, so it is no part of `received`.
    `broker_lost_sessions`: how often the broker had lost what waited for a bridge.
    `broker_denials`: what it refused, and expiries that it removed, by kind and user.
    `voided`, `substituted`: stored readings that an edit took out, or gave another value. They
    stay stored; the rows of voided ones are counted in `rows`.
    """

    received: int
    stored: int
    duplicate: int
    dead_lettered: int
    in_flight: int
    difference: int
    readings: Readings
    dead_letters: int
    dead_letters_by_reason: dict[str, int]
    dead_letters_difference: int
    broker_dropped: int
    rows: int | None = None
    rows_difference: int | None = None
    broker_lost_sessions: int = 0
    broker_denials: dict[str, int] = field(default_factory=dict)
    voided: int = 0
    substituted: int = 0

    @property
    def is_balanced(self) -> bool:
        """Whether every difference is 0."""
        return not (self.difference or self.dead_letters_difference or self.rows_difference)


def read_report(
    connection: Connection, queue: BatchQueue, *, count_rows: bool = False
) -> DeliveryReport:
    """Read both sides, the queue's first. Raises `psycopg.Error` or `redis.RedisError`.

    `count_rows` also counts the rows of the hypertable, which takes long when there are many.
    """
    seen = queue.snapshot()
    ids = [batch.id for batch in seen.unfinished]
    stems = sorted({batch_id.partition(".")[0] for batch_id in ids})
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SET LOCAL statement_timeout = 0")
        row: Any = connection.execute(
            Sql.report, {"seq": seen.received_batches, "pending": ids, "stems": stems}
        ).fetchone()
        rows = _count_rows(connection) if count_rows else None
    messages, stored, duplicate, rejected = row[0:4]
    readings = Readings(*row[4:8])
    in_flight = count_in_flight(seen.unfinished, row[10])
    events = queue.read_broker_events()
    return DeliveryReport(
        received=seen.received_messages,
        stored=stored,
        duplicate=duplicate,
        dead_lettered=rejected,
        in_flight=in_flight,
        difference=seen.received_messages - messages - in_flight,
        readings=readings,
        dead_letters=row[8],
        dead_letters_by_reason=dict(sorted(row[9].items())),
        dead_letters_difference=row[8] - sum(row[9].values()),
        broker_dropped=queue.read_dropped().messages,
        rows=rows,
        rows_difference=None if rows is None else readings.stored - rows,
        broker_lost_sessions=events.lost_sessions,
        broker_denials=events.denials,
        voided=row[11],
        substituted=row[12],
    )


def count_in_flight(pending: list[PendingBatch], stored: dict[str, int]) -> int:
    """Messages of unfinished batches, less those of batches (or halves) that are stored."""
    unfinished = {batch.id for batch in pending}
    in_flight = sum(batch.messages_count for batch in pending)
    for batch_id, count in stored.items():
        in_flight -= count * sum(line in unfinished for line in (batch_id, *list_above(batch_id)))
    return in_flight


def _count_rows(connection: Connection) -> int:
    """Readings that count, those that edits voided, and those that retention dropped."""
    row: Any = connection.execute(
        "SELECT (SELECT count(*) FROM reading) + (SELECT coalesce(sum(rows), 0) FROM dropped_range "
        "WHERE relation = 'reading') "
        "+ (SELECT count(*) FROM edited_reading WHERE is_current AND after IS NULL)"
    ).fetchone()
    return int(row[0])
