"""How every reading of a batch ends: stored, duplicate, or rejected into a dead letter."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from msgspec import Struct

from telemetry.core.batch import RawMessage
from telemetry.core.outcome import Counts
from telemetry.core.payload import reduce_payload
from telemetry.core.reading import Key, ReadingRow, key_of, to_decimal, to_instant, value_of
from telemetry.core.reasons import Reason
from telemetry.core.validator import Rejection, ValidatedMessage
from telemetry.store.ingest.dead_letters import NewDeadLetter


class StoredBatch(Struct):
    """The outcomes of a batch and the gateways that were heard of (id: time of receipt)."""

    counts: Counts
    seen: dict[int, datetime]


class Outcomes:
    """The first of two readings with one key is stored; the others are compared with the value that
    the database has once it has answered."""

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
        self.is_compared = False
        self._existing: dict[Key, int] = {}
        self._duplicate: Counter[int] = Counter()
        self._conflicting: Counter[int] = Counter()
        # Here, before the transaction begins: bad messages need time. Each can be sent again.
        self.dead_letters = [
            self._dead_letter(number, rejection)
            for number, validated_message in enumerate(validated_messages)
            for rejection in validated_message.rejections
        ]

    @property
    def rows(self) -> Collection[ReadingRow]:
        """What to store: keys all different."""
        return self._rows.values()

    def compare_with(self, existing: dict[Key, int]) -> None:
        """Compare with the keys that were stored before, and their values. Once."""
        self.is_compared = True
        self._existing = existing
        if not existing and len(self._rows) == self._good_count:
            return
        for number, validated_message in enumerate(self._validated_messages):
            for row, index in zip(validated_message.good, validated_message.indexes, strict=False):
                first = self._rows[key_of(row)]
                if first is not row or key_of(row) in existing:
                    self._compare(number, row, index, existing.get(key_of(row), value_of(first)))

    def _compare(self, number: int, row: ReadingRow, index: int, stored: int) -> None:
        if value_of(row) == stored:
            self._duplicate[number] += 1
            return
        self._conflicting[number] += 1
        rejection = Rejection(
            Reason.CONFLICTING_READING,
            f"{to_instant(row[1]).isoformat()} has {to_decimal(stored)}, "
            f"the reading {to_decimal(value_of(row))}",
            index,
        )
        self._validated_messages[number].rejections.append(rejection)
        self.dead_letters.append(self._dead_letter(number, rejection))

    def stored_keys(self) -> Collection[Key]:
        """Keys that this batch stored."""
        return self._rows.keys() - self._existing.keys() if self._existing else self._rows.keys()

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
        """What the ledger's row says."""
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
