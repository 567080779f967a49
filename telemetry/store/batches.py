"""Store a batch: judge its messages, then ONE transaction (architecture.md, "The way", step 4)."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct

from telemetry.core.batch import RawMessage
from telemetry.core.judge import Contract, GoodReading, Refusal, Verdict, judge_message
from telemetry.core.outcome import Counts
from telemetry.core.payload import reduce_payload
from telemetry.core.reasons import Reason
from telemetry.core.topic import parse_topic
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.connection import Connection
from telemetry.store.dead_letters import NewDeadLetter, store_dead_letters
from telemetry.store.ledger import insert_batch, insert_dirty_hours
from telemetry.store.readings import Key, ReadingRow, insert_readings
from telemetry.store.registry import Registry

RELOAD_REASONS = frozenset(
    {Reason.UNKNOWN_DEVICE, Reason.INACTIVE_DEVICE, Reason.INACTIVE_GATEWAY, Reason.UNIT_MISMATCH}
)


class StoredBatch(Struct):
    """The books of a batch and the gateways that were heard of (id: time of receipt)."""

    counts: Counts
    seen: dict[int, datetime]


def store_messages(
    connection: Connection,
    batch: ClaimedBatch,
    messages: list[RawMessage],
    *,
    registry: Registry,
    contract: Contract,
    approve: Callable[[list[Verdict]], None] = lambda _: None,
) -> StoredBatch:
    """Store every message of a batch, or nothing of it.

    `approve` sees the verdicts before anything is stored and may raise. Raises
    `AlreadyStoredError`, `psycopg.Error`, or whatever an unknown fault raises; nothing is stored
    then, and the call may be repeated.
    """
    received_at = datetime.fromtimestamp(batch.received_us / 1_000_000, UTC)
    verdicts = judge_messages(
        connection, messages, registry=registry, contract=contract, received_at=received_at
    )
    approve(verdicts)
    with connection.transaction():
        books = _Books(messages, verdicts, received_at)
        books.settle(insert_readings(connection, list(books.rows.values())))
        store_dead_letters(connection, books.dead_letters())
        insert_dirty_hours(connection, books.stored_keys())
        counts = books.count()
        insert_batch(connection, batch, received_at=received_at, counts=counts)
    seen = {
        verdict.gateway.id: received_at
        for verdict in verdicts
        if verdict.gateway is not None and verdict.gateway.is_active
    }
    return StoredBatch(counts, seen)


def judge_messages(
    connection: Connection,
    messages: list[RawMessage],
    *,
    registry: Registry,
    contract: Contract,
    received_at: datetime,
) -> list[Verdict]:
    """Judge messages against a fleet that is at most a few seconds old.

    What is refused for the state of the fleet is judged again with the gateway as it is now, so
    that a device registered a moment ago is not refused.
    """
    macs = {parse_topic(message.topic, contract.topic_pattern) for message in messages}
    registry.prepare(connection, (mac for mac in macs if mac is not None), now_s=time.monotonic())

    def judge(message: RawMessage) -> Verdict:
        return judge_message(
            message, gateways=registry.gateways, received_at=received_at, contract=contract
        )

    verdicts = [judge(message) for message in messages]
    doubtful = [
        index
        for index, verdict in enumerate(verdicts)
        if any(refusal.reason in RELOAD_REASONS for refusal in verdict.refusals)
    ]
    if doubtful:
        registry.load(connection, sorted({verdicts[index].mac for index in doubtful}))
        for index in doubtful:
            verdicts[index] = judge(messages[index])
    return verdicts


class _Books:
    """Which reading of the batch ends how. The first of two with one key is tried; the others
    are settled against the value that stands once the database has spoken."""

    def __init__(
        self, messages: list[RawMessage], verdicts: list[Verdict], received_at: datetime
    ) -> None:
        self._messages = messages
        self._verdicts = verdicts
        self._received_at = received_at
        self.rows: dict[Key, ReadingRow] = {}
        self._followers: list[tuple[int, GoodReading, Key]] = []
        self._first: dict[Key, tuple[int, GoodReading]] = {}
        self._stored = [0] * len(messages)
        self._duplicate = [0] * len(messages)
        self._standing: dict[Key, Decimal] = {}
        for number, verdict in enumerate(verdicts):
            if verdict.good:
                self._enter(number, verdict)

    def _enter(self, number: int, verdict: Verdict) -> None:
        gateway, rows, received_at = verdict.gateway, self.rows, self._received_at
        assert gateway is not None  # a good reading has a gateway
        account_id, gateway_id = gateway.account_id, gateway.id
        for reading in verdict.good:
            device_id, time = key = (reading.device_id, reading.time)
            if key in rows:
                self._followers.append((number, reading, key))
                continue
            self._first[key] = (number, reading)
            rows[key] = ReadingRow(
                time,
                received_at,
                account_id,
                gateway_id,
                device_id,
                reading.value,
                reading.unit,
                reading.raw,
            )

    def settle(self, standing: dict[Key, Decimal]) -> None:
        """Say which keys stood already, with their values."""
        self._standing = standing
        for key, (number, reading) in self._first.items():
            if standing and key in standing:
                self._compare(number, reading, standing[key])
            else:
                self._stored[number] += 1
        for number, reading, key in self._followers:
            self._compare(number, reading, standing.get(key, self.rows[key].value))

    def _compare(self, number: int, reading: GoodReading, standing: Decimal) -> None:
        if reading.value == standing:
            self._duplicate[number] += 1
            return
        self._verdicts[number].refusals.append(
            Refusal(
                Reason.CONFLICTING_READING,
                f"{reading.time.isoformat()} has {standing}, the reading {reading.value}",
                reading.index,
            )
        )

    def stored_keys(self) -> list[Key]:
        """Keys that this batch stored."""
        return [key for key in self.rows if key not in self._standing]

    def dead_letters(self) -> list[NewDeadLetter]:
        """Every refusal, with a payload that can be sent again."""
        return [
            _dead_letter(message, verdict, refusal, self._received_at)
            for message, verdict in zip(self._messages, self._verdicts, strict=True)
            for refusal in verdict.refusals
        ]

    def count(self) -> Counts:
        """The ledger's figures."""
        counts = Counts()
        for number, verdict in enumerate(self._verdicts):
            refusals = verdict.refusals
            counts.add_message(
                stored=self._stored[number],
                duplicate=self._duplicate[number],
                rejected=len(refusals),
                is_whole=bool(refusals) and refusals[0].index is None,
            )
        return counts


def _dead_letter(
    message: RawMessage, verdict: Verdict, refusal: Refusal, seen_at: datetime
) -> NewDeadLetter:
    gateway = verdict.gateway
    payload = message.payload
    if refusal.index is not None:
        payload = reduce_payload(payload, refusal.index)
    return NewDeadLetter(
        topic=message.topic,
        payload=payload,
        reason=refusal.reason,
        detail=refusal.detail,
        seen_at=seen_at,
        mac=verdict.mac,
        device_code=refusal.device_code,
        gateway_id=gateway.id if gateway else None,
        account_id=gateway.account_id if gateway else None,
    )


def store_refused_message(
    connection: Connection, batch: ClaimedBatch, message: RawMessage, *, detail: str
) -> None:
    """Make a dead letter `processing_error` of the one message of a batch.

    For a message that fails every time for an unknown reason. Raises like `store_messages`.
    """
    received_at = datetime.fromtimestamp(batch.received_us / 1_000_000, UTC)
    letter = NewDeadLetter(
        topic=message.topic,
        payload=message.payload,
        reason=Reason.PROCESSING_ERROR,
        detail=detail,
        seen_at=received_at,
    )
    counts = Counts(messages=1, messages_rejected=1, dead_letters=1)
    with connection.transaction():
        store_dead_letters(connection, [letter])
        insert_batch(connection, batch, received_at=received_at, counts=counts)
