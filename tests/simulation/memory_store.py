"""The database in memory: what `store.ingest.batch_store.BatchStore` promises, and no more.

`tests/integration/test_memory_store.py` holds it and PostgreSQL to one behaviour suite.
"""

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.errors import LockNotAvailable

from telemetry.core.batch import RawMessage
from telemetry.core.outcome import Counts
from telemetry.core.reading import key_of, value_of
from telemetry.core.reasons import Reason
from telemetry.core.validator import ValidatedMessage
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.ingest.ledger import BatchSplitError, explain_line
from telemetry.store.ingest.outcomes import ValidatedBatch
from tests.simulation.lean_client import pass_through
from tests.simulation.lean_redis import Gate

CONFLICT = Reason.CONFLICTING_READING
Validator = Callable[[RawMessage], ValidatedMessage]


@dataclass
class Tables:
    """What is committed: the ledger, readings by key, dead letters by topic, payload and reason."""

    ledger: dict[str, Counts] = field(default_factory=dict)
    second_parts: dict[str, list[int] | None] = field(default_factory=dict)
    readings: dict[Any, int] = field(default_factory=dict)
    dead_letters: Counter[tuple[str, bytes, str]] = field(default_factory=Counter)

    writers: dict[str, object] = field(default_factory=dict)  # who has an id in a transaction

    def insert(self, batch: ClaimedBatch, writer: object) -> None:
        """The ledger's row goes in, not yet committed. Others see nothing of it, but the same id
        waits for it. Raises `AlreadyStoredError`, `BatchSplitError` or `LockNotAvailable`."""
        if self.writers.setdefault(batch.id, writer) is not writer:
            raise LockNotAvailable("another transaction has this id")
        line = {
            line_id: part
            for line_id, part in self.second_parts.items()
            if line_id.startswith(batch.id) or batch.id.startswith(line_id)
        }
        if batch.id in line or any(part is None for part in line.values()):
            raise explain_line(batch, line)

    def commit(self, batch: ClaimedBatch, counts: Counts, second_part: list[int] | None) -> None:
        """The row stands, whatever became of its line meanwhile."""
        self.second_parts[batch.id] = second_part
        self.ledger[batch.id] = counts

    def end(self, batch_id: str, writer: object) -> None:
        """The transaction is over, or its process is gone."""
        if self.writers.get(batch_id) is writer:
            del self.writers[batch_id]


class MemoryStore:
    """One worker's session. Every call goes through `gate`."""

    def __init__(
        self,
        tables: Tables,
        validate: Validator,
        *,
        gateways: Container[str],
        gate: Gate = pass_through,
    ) -> None:
        self.tables = tables
        self.gateways = gateways
        self._validate = validate
        self._gate = gate

    def validate(
        self, messages: list[RawMessage], *, received_at: datetime
    ) -> list[ValidatedMessage]:
        """Validate the messages."""
        return self._gate("validates", lambda: [self._validate(one) for one in messages])

    def store(self, batches: Sequence[ValidatedBatch]) -> list[Counts]:
        """Store batches in one transaction. Raises `AlreadyStoredError` or `BatchSplitError`."""

        def effect() -> list[Counts]:
            counted: list[Counts] = []
            readings: dict[Any, int] = {}
            dead_letters: list[tuple[str, bytes, str]] = []
            for one in batches:
                counts = Counts()
                pairs = zip(one.messages, one.validated_messages, strict=True)
                for message, validated_message in pairs:
                    duplicate = conflicting = 0
                    for row in validated_message.good:
                        standing = self.tables.readings.get(key_of(row), readings.get(key_of(row)))
                        if standing is None:
                            readings[key_of(row)] = value_of(row)
                        elif standing == value_of(row):
                            duplicate += 1
                        else:
                            conflicting += 1
                    reasons = [
                        *(rejection.reason for rejection in validated_message.rejections),
                        *[CONFLICT] * conflicting,
                    ]
                    dead_letters += [
                        (message.topic, message.payload, str(reason)) for reason in reasons
                    ]
                    counts.add_message(
                        stored=len(validated_message.good) - duplicate - conflicting,
                        duplicate=duplicate,
                        rejected=len(validated_message.rejections) + conflicting,
                        is_whole=bool(validated_message.rejections)
                        and validated_message.rejections[0].index is None,
                    )
                counted.append(counts)
            for one, counts in zip(batches, counted, strict=True):
                if one.whole is not None:
                    self.tables.commit(one.whole, Counts(), list(one.second_part))
                self.tables.commit(one.batch, counts, None)
            self.tables.readings.update(readings)
            self.tables.dead_letters.update(dead_letters)
            return counted

        wholes = [one.whole for one in batches if one.whole is not None]
        return self._transact("stores", [*wholes, *(one.batch for one in batches)], effect)

    def _transact(
        self, label: str, batches: Sequence[ClaimedBatch], effect: Callable[[], Any]
    ) -> Any:
        """Two calls: between them others go on, and the commit sees nothing of what they did."""

        def insert() -> None:
            for batch in batches:
                self.tables.insert(batch, self)

        try:
            self._gate(label, insert)
            return self._gate("commits", effect)
        finally:
            for batch in batches:
                self.tables.end(batch.id, self)

    def split(self, batch: ClaimedBatch, *, second_part: list[int]) -> list[int]:
        """Enter the split; the second part that stands. Raises `AlreadyStoredError`."""

        try:
            self._transact(
                "enters the split",
                [batch],
                lambda: self.tables.commit(batch, Counts(), second_part),
            )
        except BatchSplitError as split:
            return split.second_part
        return second_part

    def store_rejected(self, batch: ClaimedBatch, message: RawMessage, *, detail: str) -> None:
        """Make a dead letter of the one message of a batch. Raises `AlreadyStoredError`."""

        def effect() -> None:
            counts = Counts(messages=1, messages_rejected=1, dead_letters=1)
            self.tables.commit(batch, counts, None)
            self.tables.dead_letters[(message.topic, message.payload, "processing_error")] += 1

        self._transact("makes a dead letter", [batch], effect)

    def find_gateway(self, message: RawMessage) -> str:
        """The MAC of the registered gateway that a topic names."""

        def effect() -> str:
            mac = message.topic.split("/")[2] if message.topic.count("/") == 3 else ""
            return mac if mac in self.gateways else ""

        return self._gate("finds the gateway", effect)

    def list_heard(self, batch: ClaimedBatch, messages: list[RawMessage]) -> dict[int, datetime]:
        """Nothing of presence is kept."""
        return self._gate("finds the gateways", dict)

    def note_presence(self, seen: dict[int, datetime]) -> None:
        """Nothing of it is kept."""
        self._gate("notes presence", lambda: None)

    def is_stored(self, batch_id: str) -> bool:
        """Whether the ledger holds the batch, whole or in parts."""

        def effect() -> bool:
            return any(
                (part is None and batch_id.startswith(line_id))
                or (line_id != batch_id and line_id.startswith(batch_id))
                for line_id, part in self.tables.second_parts.items()
            )

        return self._gate("asks the ledger", effect)

    def recover(self, error: Exception) -> None:
        """There is no session that could be broken."""

    def close(self) -> None:
        """There is nothing to close."""
