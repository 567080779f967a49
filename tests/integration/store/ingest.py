"""Batches that are validated and stored, for tests of the store."""

from datetime import UTC, datetime, timedelta
from typing import Any

from telemetry.core.batch import RawMessage
from telemetry.core.topic import compile_topic
from telemetry.core.validator import Contract
from telemetry.queue.batches import ClaimedBatch, new_id
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.fleet_cache import Registry
from telemetry.store.ingest.transaction import (
    StoredBatch,
    received_at_of,
    store_messages,
    validate_messages,
)

CONTRACT = Contract(compile_topic("tds_new"), 65536, timedelta(seconds=300), timedelta(days=400))


def claimed(batch_id: str = "", *, received_at: datetime | None = None) -> ClaimedBatch:
    received_at = received_at or datetime(2026, 11, 2, 12, tzinfo=UTC)  # the cases never grow old
    return ClaimedBatch(
        batch_id or new_id(), "test", int(received_at.timestamp() * 1e6), 0, 1, 1, b""
    )


def validate_and_store(
    connection: Connection, batch: ClaimedBatch, messages: list[RawMessage], *, registry: Registry
) -> StoredBatch:
    validated_messages = validate_messages(
        connection,
        messages,
        registry=registry,
        contract=CONTRACT,
        received_at=received_at_of(batch),
    )
    return store_messages(connection, batch, messages, validated_messages=validated_messages)


def store(connection: Connection, *messages: RawMessage, batch: ClaimedBatch | None = None) -> Any:
    return validate_and_store(
        connection, batch or claimed(), list(messages), registry=Registry(refresh_s=2)
    ).counts


def rows(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    return connection.execute(statement).fetchall()  # type: ignore[arg-type]
