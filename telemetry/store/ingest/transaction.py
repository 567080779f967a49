"""Judge the messages of a batch, and store them in ONE transaction (architecture.md, "The way of a
message", step 4)."""

import time
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime

import psycopg
from msgspec import Struct

from telemetry.core.batch import RawMessage
from telemetry.core.judge import Contract, Judge, Refusal, Verdict
from telemetry.core.outcome import Counts
from telemetry.core.payload import reduce_payload
from telemetry.core.reading import Key, ReadingRow, key_of, to_decimal, to_instant, value_of
from telemetry.core.reasons import Reason
from telemetry.core.topic import find_macs, parse_topic
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
    """The books of a batch and the gateways that were heard of (id: time of receipt)."""

    counts: Counts
    seen: dict[int, datetime]


def store_messages(
    connection: Connection,
    batch: ClaimedBatch,
    messages: list[RawMessage],
    *,
    verdicts: list[Verdict],
) -> StoredBatch:
    """Store every message of a batch as it was judged, or nothing of it.

    Raises `AlreadyStoredError`, `BatchSplitError`, `psycopg.Error`, or whatever an unknown fault
    raises; nothing is stored then. Judge the messages again before the call is repeated.
    """
    received_at = received_at_of(batch)
    books = _Books(messages, verdicts, received_at)
    try:
        counts = _store(connection, batch, books, carefully=False)
    except psycopg.errors.UniqueViolation:
        if books.is_settled:
            raise
        counts = _store(connection, batch, books, carefully=True)
    seen = {
        verdict.gateway.id: received_at
        for verdict in verdicts
        if verdict.gateway is not None and verdict.gateway.is_active
    }
    return StoredBatch(counts, seen)


def _store(
    connection: Connection, batch: ClaimedBatch, books: "_Books", *, carefully: bool
) -> Counts:
    """The one transaction. COPY comes first, so that nothing else is lost when it fails."""
    with connection.transaction():
        books.settle(
            insert_readings(
                connection, books.rows, received_us=batch.received_us, carefully=carefully
            )
        )
        store_dead_letters(connection, books.dead_letters())
        counts = books.count()
        with connection.pipeline():
            insert_dirty_hours(connection, books.stored_keys())
            insert_batch(connection, batch, received_at=books.received_at, counts=counts)
    return counts


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
    topics = {message.topic for message in messages}
    macs = {topic: parse_topic(topic, contract.topic_pattern) for topic in topics}
    known = {shown for topic, mac in macs.items() for shown in ([mac] if mac else find_macs(topic))}
    registry.prepare(connection, known, now_s=time.monotonic())
    judge = Judge(contract, registry.gateways, received_at=received_at).judge
    verdicts = [judge(message, macs[message.topic]) for message in messages]
    doubtful = [
        index
        for index, verdict in enumerate(verdicts)
        if verdict.refusals
        and any(refusal.reason in RELOAD_REASONS for refusal in verdict.refusals)
    ]
    if doubtful:
        registry.load(connection, sorted({verdicts[index].mac for index in doubtful}))
        for index in doubtful:
            verdicts[index] = judge(messages[index], macs[messages[index].topic])
    return verdicts


class _Books:
    """Which reading of the batch ends how. The first of two with one key is tried; the others
    are settled against the value that stands once the database has spoken."""

    def __init__(
        self, messages: list[RawMessage], verdicts: list[Verdict], received_at: datetime
    ) -> None:
        self._messages = messages
        self._verdicts = verdicts
        self.received_at = received_at
        good = [row for verdict in verdicts for row in verdict.good]
        self._good_count = len(good)
        good.reverse()
        self._rows = {row[:2]: row for row in good}  # of equal keys the first one stays
        self.is_settled = False
        self._standing: dict[Key, int] = {}
        self._duplicate: Counter[int] = Counter()
        self._conflicting: Counter[int] = Counter()
        # Here, before the transaction begins: bad messages take their time.
        self._letters = [
            self._dead_letter(number, refusal)
            for number, verdict in enumerate(verdicts)
            for refusal in verdict.refusals
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
        for number, verdict in enumerate(self._verdicts):
            for row, place in zip(verdict.good, verdict.places, strict=False):
                first = self._rows[key_of(row)]
                if first is not row or key_of(row) in standing:
                    self._compare(number, row, place, standing.get(key_of(row), value_of(first)))

    def _compare(self, number: int, row: ReadingRow, place: int, standing: int) -> None:
        if value_of(row) == standing:
            self._duplicate[number] += 1
            return
        self._conflicting[number] += 1
        refusal = Refusal(
            Reason.CONFLICTING_READING,
            f"{to_instant(row[1]).isoformat()} has {to_decimal(standing)}, "
            f"the reading {to_decimal(value_of(row))}",
            place,
        )
        self._verdicts[number].refusals.append(refusal)
        self._letters.append(self._dead_letter(number, refusal))

    def stored_keys(self) -> Collection[Key]:
        """Keys that this batch stored."""
        return self._rows.keys() - self._standing.keys() if self._standing else self._rows.keys()

    def dead_letters(self) -> list[NewDeadLetter]:
        """Every refusal, with a payload that can be sent again."""
        return self._letters

    def _dead_letter(self, number: int, refusal: Refusal) -> NewDeadLetter:
        message, verdict = self._messages[number], self._verdicts[number]
        gateway, payload = verdict.gateway, message.payload
        if refusal.index is not None:
            payload = reduce_payload(payload, refusal.index)
        return NewDeadLetter(
            topic=message.topic,
            payload=payload,
            reason=refusal.reason,
            detail=refusal.detail,
            seen_at=self.received_at,
            mac=verdict.mac or (gateway.mac if gateway else ""),
            device_code=refusal.device_code,
            gateway_id=gateway.id if gateway else None,
            account_id=gateway.account_id if gateway else None,
        )

    def count(self) -> Counts:
        """The ledger's figures."""
        counts, mixed, mixed_good = Counts(), 0, 0
        for number, verdict in enumerate(self._verdicts):
            refusals = verdict.refusals
            if not refusals and number not in self._duplicate:
                continue
            mixed, mixed_good = mixed + 1, mixed_good + len(verdict.good)
            duplicate, conflicting = self._duplicate[number], self._conflicting[number]
            counts.add_message(
                stored=len(verdict.good) - duplicate - conflicting,
                duplicate=duplicate,
                rejected=len(refusals),
                is_whole=bool(refusals) and refusals[0].index is None,
            )
        counts.add_stored(
            messages=len(self._verdicts) - mixed, readings=self._good_count - mixed_good
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
