"""How every reading of some batches ends: stored, duplicate, or rejected into a dead letter."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct, structs

from telemetry.core.batch import RawMessage, half_ids
from telemetry.core.outcome import Counts
from telemetry.core.payload import reduce_payload
from telemetry.core.reading import Key, ReadingRow, key_of, to_decimal, to_instant, value_of
from telemetry.core.reasons import Reason
from telemetry.core.validator import Rejection, ValidatedMessage
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.ingest.dead_letters import NewDeadLetter


class ValidatedBatch(Struct, frozen=True):
    """A batch, its messages and what the contract says of each.

    `whole`: the batch that this one is the first part of. Storing this enters that one as split,
    with `second_part`, the positions of the messages that are not in this one.
    """

    batch: ClaimedBatch
    messages: list[RawMessage]
    validated_messages: list[ValidatedMessage]
    whole: ClaimedBatch | None = None
    second_part: Sequence[int] = ()

    def without(self, second_part: Sequence[int]) -> "ValidatedBatch":
        """The first part of a batch whose second part is to be stored later."""
        left = frozenset(second_part)
        indexes = [index for index in range(len(self.messages)) if index not in left]
        return ValidatedBatch(
            structs.replace(self.batch, id=half_ids(self.batch.id)[0], messages_count=len(indexes)),
            [self.messages[index] for index in indexes],
            [self.validated_messages[index] for index in indexes],
            self.batch,
            second_part,
        )

    def list_seen(self) -> dict[int, datetime]:
        """The gateways that were heard of (id: time of receipt)."""
        received_at = self.batch.received_at
        return {
            validated_message.gateway.id: received_at
            for validated_message in self.validated_messages
            if validated_message.gateway is not None and validated_message.gateway.is_active
        }


class Outcomes:
    """The first of two readings with one key is stored; the others are compared with the value that
    the database has once it has answered."""

    def __init__(self, batches: Sequence[ValidatedBatch]) -> None:
        self._batches = batches
        self._validated_messages = [
            validated_message for one in batches for validated_message in one.validated_messages
        ]
        good = [
            row for validated_message in self._validated_messages for row in validated_message.good
        ]
        self._good_count = len(good)
        good.reverse()
        self._rows = {row[:2]: row for row in good}  # of equal keys the first one stays
        self.received_us: int | dict[Key, int] = batches[0].batch.received_us
        if len(batches) > 1:
            self.received_us = {
                row[:2]: one.batch.received_us
                for one in reversed(batches)
                for validated_message in one.validated_messages
                for row in validated_message.good
            }
        self.is_compared = False
        self._existing: dict[Key, tuple[int, ...]] = {}
        self._duplicate: Counter[int] = Counter()
        self._conflicting: Counter[int] = Counter()
        # Here, before the transaction begins: bad messages need time. Each can be sent again.
        self.dead_letters = [
            _make_dead_letter(one, index, rejection)
            for one in batches
            for index, validated_message in enumerate(one.validated_messages)
            for rejection in validated_message.rejections
        ]

    @property
    def rows(self) -> Collection[ReadingRow]:
        """What to store: keys all different."""
        return self._rows.values()

    @property
    def is_all_accepted(self) -> bool:
        """Whether there are readings, each key comes once, and nothing is rejected."""
        return 0 < len(self._rows) == self._good_count and not self.dead_letters

    def compare_with(self, existing: dict[Key, tuple[int, ...]]) -> None:
        """Compare with the keys that were stored before, and their values. Once.

        An edited reading has two values: whoever sends one of them again sends a duplicate."""
        self.is_compared = True
        self._existing = existing
        if not existing and len(self._rows) == self._good_count:
            return
        number = 0
        for one in self._batches:
            for index, validated_message in enumerate(one.validated_messages):
                pairs = zip(validated_message.good, validated_message.indexes, strict=False)
                for row, row_index in pairs:
                    first = self._rows[key_of(row)]
                    if first is not row or key_of(row) in existing:
                        stored = existing.get(key_of(row), (value_of(first),))
                        if value_of(row) in stored:
                            self._duplicate[number] += 1
                        else:
                            self._conflicting[number] += 1
                            self._reject(one, index, row, row_index, stored[0])
                number += 1

    def _reject(
        self, one: ValidatedBatch, index: int, row: ReadingRow, row_index: int, stored: int
    ) -> None:
        rejection = Rejection(
            Reason.CONFLICTING_READING,
            f"{to_instant(row[1]).isoformat()} has {to_decimal(stored)}, "
            f"the reading {to_decimal(value_of(row))}",
            row_index,
            _find_code(one.validated_messages[index], device_id=row[0]),
        )
        one.validated_messages[index].rejections.append(rejection)
        self.dead_letters.append(_make_dead_letter(one, index, rejection))

    def stored_keys(self) -> Collection[Key]:
        """Keys that this batch stored."""
        return self._rows.keys() - self._existing.keys() if self._existing else self._rows.keys()

    def count(self) -> list[Counts]:
        """What the ledger's row of each batch says."""
        number, counted = 0, []
        for one in self._batches:
            counted.append(self._count(one.validated_messages, number))
            number += len(one.validated_messages)
        return counted

    def _count(self, validated_messages: list[ValidatedMessage], start: int) -> Counts:
        counts, whole, whole_good = Counts(), 0, 0
        for number, validated_message in enumerate(validated_messages, start):
            rejections, good = validated_message.rejections, len(validated_message.good)
            if not rejections and number not in self._duplicate:
                whole, whole_good = whole + 1, whole_good + good
                continue
            duplicate, conflicting = self._duplicate[number], self._conflicting[number]
            counts.add_message(
                stored=good - duplicate - conflicting,
                duplicate=duplicate,
                rejected=len(rejections),
                is_whole=bool(rejections) and rejections[0].index is None,
            )
        counts.add_stored(messages=whole, readings=whole_good)
        return counts


def _find_code(validated_message: ValidatedMessage, *, device_id: int) -> str:
    devices = validated_message.gateway.devices if validated_message.gateway else {}
    return next((code for code, device in devices.items() if device.id == device_id), "")


def _make_dead_letter(one: ValidatedBatch, index: int, rejection: Rejection) -> NewDeadLetter:
    message, validated_message = one.messages[index], one.validated_messages[index]
    gateway, payload = validated_message.gateway, message.payload
    if rejection.index is not None:
        payload = reduce_payload(payload, rejection.index)
    return NewDeadLetter(
        topic=message.topic,
        payload=payload,
        reason=rejection.reason,
        detail=rejection.detail,
        seen_at=one.batch.received_at,
        mac=validated_message.mac or (gateway.mac if gateway else ""),
        device_code=rejection.device_code,
        gateway_id=gateway.id if gateway else None,
        account_id=gateway.account_id if gateway else None,
    )
