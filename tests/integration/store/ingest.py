"""Batches that are validated and stored, for tests of the store."""

from datetime import UTC, datetime
from typing import Any

from telemetry.core.batch import RawMessage
from telemetry.queue.batches import ClaimedBatch, new_id
from telemetry.store.db.connection import Connection
from tests.stores import open_store, validate_and_store


def claimed(batch_id: str = "", *, received_at: datetime | None = None) -> ClaimedBatch:
    received_at = received_at or datetime(2026, 11, 2, 12, tzinfo=UTC)  # the cases never grow old
    return ClaimedBatch(
        batch_id or new_id(), "test", int(received_at.timestamp() * 1e6), 0, 1, 1, b""
    )


def store(connection: Connection, *messages: RawMessage, batch: ClaimedBatch | None = None) -> Any:
    return validate_and_store(open_store(connection), batch or claimed(), list(messages))


def rows(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    return connection.execute(statement).fetchall()  # type: ignore[arg-type]
