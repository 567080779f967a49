"""Validate the messages of a batch, and store them in ONE transaction (architecture.md, "The way of
a message", step 4)."""

import time
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime

import psycopg
from msgspec import Struct

from telemetry.core.batch import RawMessage
from telemetry.core.outcome import Counts
from telemetry.core.payload import reduce_payload
from telemetry.core.reading import Key, ReadingRow, key_of, to_decimal, to_instant, value_of
from telemetry.core.reasons import Reason
from telemetry.core.topic import find_macs, parse_topic
from telemetry.core.validator import Contract, Rejection, ValidatedMessage, Validator
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.dead_letters import NewDeadLetter, store_dead_letters
from telemetry.store.ingest.fleet_cache import Registry
from telemetry.store.ingest.ledger import insert_batch, insert_dirty_hours
from telemetry.store.ingest.readings import insert_readings

RELOAD_REASONS = frozenset(
    {
        Reason.UNKNOWN_DEVICE,
        Reason.INACTIVE_DEVICE,
        Reason.INACTIVE_GATEWAY,
        Reason.BAD_VALUE,  # the register's modulus
        Reason.UNIT_MISMATCH,
    }
)


class StoredBatch(Struct):
    """The outcomes of a batch and the gateways that were heard of (id: time of receipt)."""

    counts: Counts
    seen: dict[int, datetime]


def store_messages(
    connection: Connection,
    batch: ClaimedBatch,
    messages: list[RawMessage],
    *,
    validated_messages: list[ValidatedMessage],
) -> StoredBatch:
    """Store every message of a batch as it was validated, or nothing of it.

    Raises `AlreadyStoredError`, `BatchSplitError`, `psycopg.Error`, or whatever an unknown fault
    raises; nothing is stored then. Validate the messages again before the call is repeated.
    """
    received_at = received_at_of(batch)
    outcomes = _Outcomes(messages, validated_messages, received_at)
    try:
        counts = _store(connection, batch, outcomes, skip_existing=False)
    except psycopg.errors.UniqueViolation:
        if outcomes.is_settled:
            raise
        counts = _store(connection, batch, outcomes, skip_existing=True)
    seen = {
        validated_message.gateway.id: received_at
        for validated_message in validated_messages
        if validated_message.gateway is not None and validated_message.gateway.is_active
    }
    return StoredBatch(counts, seen)


def _store(
    connection: Connection, batch: ClaimedBatch, outcomes: "_Outcomes", *, skip_existing: bool
) -> Counts:
    """The one transaction. COPY comes first, so that nothing else is lost when it fails."""
    with connection.transaction():
        outcomes.settle(
            insert_readings(
                connection,
                outcomes.rows,
                received_us=batch.received_us,
                skip_existing=skip_existing,
            )
        )
        store_dead_letters(connection, outcomes.dead_letters())
        counts = outcomes.count()
        with connection.pipeline():
            insert_dirty_hours(connection, outcomes.stored_keys())
            insert_batch(connection, batch, received_at=outcomes.received_at, counts=counts)
    return counts


def validate_messages(
    connection: Connection,
    messages: list[RawMessage],
    *,
    registry: Registry,
    contract: Contract,
    received_at: datetime,
) -> list[ValidatedMessage]:
    """Validate messages against a fleet that is at most a few seconds old.

    What is rejected for the state of the fleet is validated again with the gateway as it is now, so
    that a device registered a moment ago is not rejected.
    """
    topics = {message.topic for message in messages}
    macs = {topic: parse_topic(topic, contract.topic_pattern) for topic in topics}
    known = {shown for topic, mac in macs.items() for shown in ([mac] if mac else find_macs(topic))}
    registry.prepare(connection, known, now_s=time.monotonic())
    validate = Validator(contract, registry.gateways, received_at=received_at).validate
    validated_messages = [validate(message, macs[message.topic]) for message in messages]
    doubtful = [
        index
        for index, validated_message in enumerate(validated_messages)
        if validated_message.rejections
        and any(rejection.reason in RELOAD_REASONS for rejection in validated_message.rejections)
    ]
    if doubtful:
        registry.load(connection, sorted({validated_messages[index].mac for index in doubtful}))
        for index in doubtful:
            validated_messages[index] = validate(messages[index], macs[messages[index].topic])
    return validated_messages


class _Outcomes:
    """Which reading of the batch ends how. The first of two with one key is tried; the others
    are settled against the value that stands once the database has spoken."""

    def __init__(
        self,
        messages: list[RawMessage],
        validated_messages: list[ValidatedMessage],
        received_at: datetime,
    ) -> None:
        self._messages = messages
        self._validated_messages = validated_messages
        self.received_at = received_at
        good = [row for validated_message in validated_messages for row in validated_message.good]
        self._good_count = len(good)
        good.reverse()
        self._rows = {row[:2]: row for row in good}  # of equal keys the first one stays
        self.is_settled = False
        self._standing: dict[Key, int] = {}
        self._duplicate: Counter[int] = Counter()
        self._conflicting: Counter[int] = Counter()
        # Here, before the transaction begins: bad messages take their time.
        self._dead_letters = [
            self._dead_letter(number, rejection)
            for number, validated_message in enumerate(validated_messages)
            for rejection in validated_message.rejections
        ]

    @property
    def rows(self) -> Collection[ReadingRow]:
        """What to store: keys all different."""
        return self._rows.values()

    def settle(self, standing: dict[Key, int]) -> None:
        """Say which keys stood already, with their values. Once."""
        self.is_settled = True
        self._standing = standing
        if not standing and len(self._rows) == self._good_count:
            return
        for number, validated_message in enumerate(self._validated_messages):
            for row, place in zip(validated_message.good, validated_message.places, strict=False):
                first = self._rows[key_of(row)]
                if first is not row or key_of(row) in standing:
                    self._compare(number, row, place, standing.get(key_of(row), value_of(first)))

    def _compare(self, number: int, row: ReadingRow, place: int, standing: int) -> None:
        if value_of(row) == standing:
            self._duplicate[number] += 1
            return
        self._conflicting[number] += 1
        rejection = Rejection(
            Reason.CONFLICTING_READING,
            f"{to_instant(row[1]).isoformat()} has {to_decimal(standing)}, "
            f"the reading {to_decimal(value_of(row))}",
            place,
        )
        self._validated_messages[number].rejections.append(rejection)
        self._dead_letters.append(self._dead_letter(number, rejection))

    def stored_keys(self) -> Collection[Key]:
        """Keys that this batch stored."""
        return self._rows.keys() - self._standing.keys() if self._standing else self._rows.keys()

    def dead_letters(self) -> list[NewDeadLetter]:
        """Every rejection, with a payload that can be sent again."""
        return self._dead_letters

    def _dead_letter(self, number: int, rejection: Rejection) -> NewDeadLetter:
        message, validated_message = self._messages[number], self._validated_messages[number]
        gateway, payload = validated_message.gateway, message.payload
        if rejection.index is not None:
            payload = reduce_payload(payload, rejection.index)
        return NewDeadLetter(
            topic=message.topic,
            payload=payload,
            reason=rejection.reason,
            detail=rejection.detail,
            seen_at=self.received_at,
            mac=validated_message.mac or (gateway.mac if gateway else ""),
            device_code=rejection.device_code,
            gateway_id=gateway.id if gateway else None,
            account_id=gateway.account_id if gateway else None,
        )

    def count(self) -> Counts:
        """The ledger's figures."""
        counts, mixed, mixed_good = Counts(), 0, 0
        for number, validated_message in enumerate(self._validated_messages):
            rejections = validated_message.rejections
            if not rejections and number not in self._duplicate:
                continue
            mixed, mixed_good = mixed + 1, mixed_good + len(validated_message.good)
            duplicate, conflicting = self._duplicate[number], self._conflicting[number]
            counts.add_message(
                stored=len(validated_message.good) - duplicate - conflicting,
                duplicate=duplicate,
                rejected=len(rejections),
                is_whole=bool(rejections) and rejections[0].index is None,
            )
        counts.add_stored(
            messages=len(self._validated_messages) - mixed, readings=self._good_count - mixed_good
        )
        return counts


def received_at_of(batch: ClaimedBatch) -> datetime:
    """When a batch was received, in UTC."""
    return datetime.fromtimestamp(batch.received_us / 1_000_000, UTC)


def store_rejected_message(
    connection: Connection, batch: ClaimedBatch, message: RawMessage, *, detail: str
) -> None:
    """Make a dead letter `processing_error` of the one message of a batch.

    For a message that fails every time for an unknown reason. Raises like `store_messages`.
    """
    received_at = received_at_of(batch)
    dead_letter = NewDeadLetter(
        topic=message.topic,
        payload=message.payload,
        reason=Reason.PROCESSING_ERROR,
        detail=detail,
        seen_at=received_at,
    )
    counts = Counts(messages=1, messages_rejected=1, dead_letters=1)
    with connection.transaction():
        store_dead_letters(connection, [dead_letter])
        insert_batch(connection, batch, received_at=received_at, counts=counts)
