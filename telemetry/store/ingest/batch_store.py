"""Where one worker process stores batches: its database session, the fleet it knows, presence.

`workers.runner` speaks to the database through this alone. Every call may raise `psycopg.Error`;
`recover` then says whether the session is made anew. Every call may be repeated.
"""

import time
from collections.abc import Container
from datetime import datetime, timedelta

from config.options import IngestOptions
from telemetry.core.batch import RawMessage
from telemetry.core.topic import compile_topic, parse_topic
from telemetry.core.validator import Contract, ValidatedMessage
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.errors import needs_new_session
from telemetry.store.ingest.fleet_cache import Registry
from telemetry.store.ingest.ledger import enter_split, is_batch_stored
from telemetry.store.ingest.presence import Presence
from telemetry.store.ingest.transaction import (
    StoredBatch,
    received_at_of,
    store_messages,
    store_rejected_message,
    validate_messages,
)


class BatchStore:
    """One session, opened at the first use and kept."""

    def __init__(self, options: IngestOptions) -> None:
        self._options = options
        self._connection: Connection | None = None
        self._registry = Registry(refresh_s=options.registry_refresh_s)
        self._presence = Presence(interval_s=options.presence_interval_s)
        self._contract = Contract(
            topic_pattern=compile_topic(options.topic.prefix),
            payload_bytes=options.contract.payload_bytes,
            ahead=timedelta(seconds=options.contract.ahead_s),
            behind=timedelta(days=options.contract.behind_days),
            keep_raw=options.keep_raw,
        )

    @property
    def gateways(self) -> Container[str]:
        """MACs of the registered gateways that were heard of."""
        return self._registry.gateways

    def validate(self, batch: ClaimedBatch, messages: list[RawMessage]) -> list[ValidatedMessage]:
        """Validate the messages against the fleet as it is now."""
        return validate_messages(
            self._connect(),
            messages,
            registry=self._registry,
            contract=self._contract,
            received_at=received_at_of(batch),
        )

    def store(
        self,
        batch: ClaimedBatch,
        messages: list[RawMessage],
        validated_messages: list[ValidatedMessage],
    ) -> StoredBatch:
        """Store the batch in one transaction. Raises `AlreadyStoredError` or `BatchSplitError`."""
        return store_messages(
            self._connect(), batch, messages, validated_messages=validated_messages
        )

    def split(self, batch: ClaimedBatch, *, second_part: list[int]) -> list[int]:
        """Enter that the batch is split, so that nobody stores it as a whole any more; the
        positions that make its second part. Raises `AlreadyStoredError`."""
        return enter_split(
            self._connect(), batch, second_part=second_part, received_at=received_at_of(batch)
        )

    def store_rejected(self, batch: ClaimedBatch, message: RawMessage, *, detail: str) -> None:
        """Make a dead letter of the one message of a batch. Raises `AlreadyStoredError`."""
        store_rejected_message(self._connect(), batch, message, detail=detail)

    def find_gateway(self, message: RawMessage) -> str:
        """The MAC of the registered gateway that a topic names; empty when there is none."""
        mac = parse_topic(message.topic, self._contract.topic_pattern)
        if mac is None:
            return ""
        self._registry.prepare(self._connect(), [mac], now_s=time.monotonic())
        return mac if mac in self._registry.gateways else ""

    def list_heard(self, batch: ClaimedBatch, messages: list[RawMessage]) -> dict[int, datetime]:
        """The gateways that sent messages, whatever they hold, as `StoredBatch.seen` has them."""
        macs = {parse_topic(message.topic, self._contract.topic_pattern) for message in messages}
        known = [mac for mac in macs if mac is not None]
        self._registry.prepare(self._connect(), known, now_s=time.monotonic())
        found = [self._registry.gateways.get(mac) for mac in known]
        received_at = received_at_of(batch)
        return {gateway.id: received_at for gateway in found if gateway and gateway.is_active}

    def note_presence(self, seen: dict[int, datetime]) -> None:
        """Say that gateways are online: id, and when they were heard of."""
        self._presence.update(self._connect(), seen, now_s=time.monotonic())

    def is_stored(self, batch_id: str) -> bool:
        """Whether the ledger holds the batch, whole or in parts."""
        return is_batch_stored(self._connect(), batch_id)

    def recover(self, error: Exception) -> None:
        """After an error that passes: give up a session that may not recover by itself."""
        if self._connection is not None and needs_new_session(error):
            self._connection.close()

    def close(self) -> None:
        """Close the session."""
        if self._connection is not None:
            self._connection.close()

    def _connect(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = open_connection(
                self._options.database.url,
                name="tds-ingest",
                statement_timeout_s=self._options.statement_timeout_s,
                # A batch in hand is taken for lost after a while: all of its statements count.
                transaction_timeout_s=self._options.statement_timeout_s,
            )
        return self._connection
