"""The ledger: one row for each batch that is stored, and what the aggregates must recompute."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from msgspec import structs

from telemetry.core.outcome import Counts
from telemetry.core.reading import HOUR_US, Key, to_instant
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.connection import Connection
from telemetry.store.queries import query


class AlreadyStoredError(Exception):
    """The ledger holds this batch: everything of it was stored before."""


def insert_batch(
    connection: Connection, batch: ClaimedBatch, *, received_at: datetime, counts: Counts
) -> None:
    """Enter a batch inside the caller's transaction. Raises `AlreadyStoredError`."""
    inserted = connection.execute(
        query("insert_batch"),
        {
            "id": batch.id,
            "source": batch.source,
            "seq": batch.seq,
            "received_at": received_at,
            **structs.asdict(counts),
        },
    ).fetchone()
    if inserted is None:
        raise AlreadyStoredError(batch.id)


def is_batch_stored(connection: Connection, batch_id: str) -> bool:
    """Whether the ledger holds the batch, whole or as halves."""
    row: Any = connection.execute(
        "SELECT EXISTS (SELECT FROM batch WHERE id = %(id)s OR id LIKE %(halves)s)",
        {"id": batch_id, "halves": batch_id + ("%" if "." in batch_id else ".%")},
    ).fetchone()
    return bool(row[0])


def insert_dirty_hours(connection: Connection, keys: Collection[Key]) -> None:
    """Note the hours that stored readings touch: one row an hour, never shared with others."""
    devices_by_hour = _group_by_hour(keys)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO dirty_hour (hour, device_ids) VALUES (%s, %s)",
            [(hour, sorted(found)) for hour, found in sorted(devices_by_hour.items())],
        )


def _group_by_hour(keys: Collection[Key]) -> dict[datetime, set[int]]:
    if not keys:
        return {}
    times = [time_us for _, time_us in keys]
    first, last = min(times) // HOUR_US, max(times) // HOUR_US
    if first == last:  # as nearly always, and quicker
        return {to_instant(first * HOUR_US): {device_id for device_id, _ in keys}}
    devices_by_hour: defaultdict[int, set[int]] = defaultdict(set)
    for device_id, time_us in keys:
        devices_by_hour[time_us // HOUR_US].add(device_id)
    return {to_instant(hour * HOUR_US): found for hour, found in devices_by_hour.items()}
