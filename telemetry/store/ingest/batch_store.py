"""Where one worker process validates and stores batches: its database session, the fleet that it
knows, presence.

`workers.runner` speaks to the database through this alone. Every call may raise `psycopg.Error`;
`recover` then says whether the session is opened again. Every call may be repeated.
"""

import time
from collections.abc import Container, Sequence
from datetime import datetime, timedelta

import psycopg
from psycopg.errors import UniqueViolation
from psycopg.pq import TransactionStatus

from config.options import IngestOptions
from telemetry.core.batch import RawMessage
from telemetry.core.outcome import Counts
from telemetry.core.reasons import Reason
from telemetry.core.topic import compile_topic, find_macs, parse_topic
from telemetry.core.validator import Contract, ValidatedMessage, Validator
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.errors import is_transient, needs_new_session
from telemetry.store.ingest.at_once import store_at_once
from telemetry.store.ingest.dead_letters import NewDeadLetter, store_dead_letters
from telemetry.store.ingest.fleet_cache import Registry
from telemetry.store.ingest.ledger import (
    enter_split,
    insert_batches,
    insert_dirty_hours,
    is_batch_stored,
)
from telemetry.store.ingest.outcomes import Outcomes, ValidatedBatch
from telemetry.store.ingest.presence import Presence
from telemetry.store.ingest.readings import VoidedReadingError, insert_readings

RELOAD_REASONS = frozenset(
    {
        Reason.UNKNOWN_DEVICE,
        Reason.INACTIVE_DEVICE,
        Reason.INACTIVE_GATEWAY,
        Reason.BAD_VALUE,  # the register's modulus
        Reason.UNIT_MISMATCH,
    }
)


class BatchStore:
    """One session: the caller's, or one that is opened at the first use and kept."""

    def __init__(self, options: IngestOptions, connection: Connection | None = None) -> None:
        self._options = options
        self._connection = connection
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

    def validate(
        self, messages: list[RawMessage], *, received_at: datetime
    ) -> list[ValidatedMessage]:
        """Validate messages against a fleet that is at most a few seconds old.

        What is rejected for the state of the fleet is validated again with the gateway as it is
        now, so that a device registered a moment ago is not rejected.
        """
        connection, registry, contract = self._connect(), self._registry, self._contract
        topics = {message.topic for message in messages}
        macs = {topic: parse_topic(topic, contract.topic_pattern) for topic in topics}
        named = {
            name for topic, mac in macs.items() for name in ([mac] if mac else find_macs(topic))
        }
        registry.prepare(connection, named, now_s=time.monotonic())
        validate = Validator(contract, registry.gateways, received_at=received_at).validate
        validated_messages = [validate(message, macs[message.topic]) for message in messages]
        doubtful = [
            index
            for index, validated_message in enumerate(validated_messages)
            if validated_message.rejections
            and any(
                rejection.reason in RELOAD_REASONS for rejection in validated_message.rejections
            )
        ]
        if doubtful:
            registry.load(connection, sorted({validated_messages[index].mac for index in doubtful}))
            for index in doubtful:
                validated_messages[index] = validate(messages[index], macs[messages[index].topic])
        return validated_messages

    def store(self, batches: Sequence[ValidatedBatch]) -> list[Counts]:
        """Store every message of some batches as it was validated, or nothing of them. Of one
        that is the first part of another, the split is entered with it.

        Raises `AlreadyStoredError` or `BatchSplitError` of any of them, `psycopg.Error`, or
        whatever an unknown fault raises; nothing is stored then. Validate the messages again before
        a second call.
        """
        outcomes = Outcomes(batches)
        try:
            if outcomes.is_all_accepted:
                counts = self._commit_at_once(batches, outcomes)
                if counts is not None:
                    return counts
            return self._commit(batches, outcomes, skip_existing=False)
        except (UniqueViolation, VoidedReadingError):
            if outcomes.is_compared:
                raise
            return self._commit(batches, outcomes, skip_existing=True)

    def _commit_at_once(
        self, batches: Sequence[ValidatedBatch], outcomes: Outcomes
    ) -> list[Counts] | None:
        """The one transaction as one query. None: nothing is stored, the usual way tells why."""
        connection = self._connect()
        if connection.info.transaction_status != TransactionStatus.IDLE:
            return None  # inside the caller's transaction
        if any(one.whole for one in batches):
            return None
        counts = outcomes.count()
        try:
            store_at_once(
                connection,
                outcomes.rows,
                [one.batch for one in batches],
                received_us=outcomes.received_us,
                counts=counts,
            )
        except psycopg.Error as error:
            if is_transient(error) or isinstance(error, UniqueViolation):
                raise
            return None
        return counts

    def _commit(
        self, batches: Sequence[ValidatedBatch], outcomes: Outcomes, *, skip_existing: bool
    ) -> list[Counts]:
        """The one transaction. COPY comes first, so that nothing else is lost when it fails."""
        connection = self._connect()
        with connection.transaction():
            existing = insert_readings(
                connection,
                outcomes.rows,
                received_us=outcomes.received_us,
                skip_existing=skip_existing,
            )
            outcomes.compare_with(existing)
            store_dead_letters(connection, outcomes.dead_letters)
            counts = outcomes.count()
            with connection.pipeline():
                insert_dirty_hours(connection, outcomes.stored_keys())
                for one in batches:
                    if one.whole is not None:
                        insert_batches(
                            connection,
                            [one.whole],
                            counts=[Counts()],
                            second_part=list(one.second_part),
                        )
                insert_batches(connection, [one.batch for one in batches], counts=counts)
        return counts

    def split(self, batch: ClaimedBatch, *, second_part: list[int]) -> list[int]:
        """Enter that the batch is split, so that nobody stores it as a whole any more; the
        positions that make its second part. Raises `AlreadyStoredError`."""
        return enter_split(self._connect(), batch, second_part=second_part)

    def store_rejected(self, batch: ClaimedBatch, message: RawMessage, *, detail: str) -> None:
        """Make a dead letter `processing_error` of the one message of a batch, which fails every
        time for an unknown reason. Raises `AlreadyStoredError`."""
        dead_letter = NewDeadLetter(
            topic=message.topic,
            payload=message.payload,
            reason=Reason.PROCESSING_ERROR,
            detail=detail,
            seen_at=batch.received_at,
        )
        connection = self._connect()
        with connection.transaction():
            store_dead_letters(connection, [dead_letter])
            counts = Counts(messages=1, messages_rejected=1, dead_letters=1)
            insert_batches(connection, [batch], counts=[counts])

    def find_gateway(self, message: RawMessage) -> str:
        """The MAC of the registered gateway that a topic names; empty when there is none."""
        mac = parse_topic(message.topic, self._contract.topic_pattern)
        if mac is None:
            return ""
        self._registry.prepare(self._connect(), [mac], now_s=time.monotonic())
        return mac if mac in self._registry.gateways else ""

    def list_heard(self, batch: ClaimedBatch, messages: list[RawMessage]) -> dict[int, datetime]:
        """The gateways that sent messages, whatever these hold: as `ValidatedBatch.list_seen`."""
        macs = {parse_topic(message.topic, self._contract.topic_pattern) for message in messages}
        known = [mac for mac in macs if mac is not None]
        self._registry.prepare(self._connect(), known, now_s=time.monotonic())
        gateways = [self._registry.gateways.get(mac) for mac in known]
        return {
            gateway.id: batch.received_at for gateway in gateways if gateway and gateway.is_active
        }

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
                # A claimed batch counts as lost after a while: all of its statements count.
                transaction_timeout_s=self._options.statement_timeout_s,
            )
        return self._connection
