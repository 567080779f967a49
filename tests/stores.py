"""A `BatchStore` on the test's own connection, as a worker process has one."""

from dataclasses import replace

from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import RawMessage
from telemetry.core.outcome import Counts
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.batch_store import BatchStore
from telemetry.store.ingest.outcomes import ValidatedBatch

_ENVIRON = {"REDIS_URL": "redis://none", "DATABASE_URL": "postgres://none/none"}


def open_store(connection: Connection, *, refresh_s: float = 2) -> BatchStore:
    """With the defaults of the settings. `refresh_s`: age at which the fleet is loaded again."""
    options = read_options(IngestOptions, _ENVIRON)
    return BatchStore(replace(options, registry_refresh_s=refresh_s), connection)


def validate_and_store(
    store: BatchStore, batch: ClaimedBatch, messages: list[RawMessage]
) -> Counts:
    """A batch as a worker stores it."""
    validated_messages = store.validate(messages, received_at=batch.received_at)
    [counts] = store.store([ValidatedBatch(batch, messages, validated_messages)])
    return counts
