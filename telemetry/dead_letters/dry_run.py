"""What would become of messages if they were sent now. Nothing is stored or counted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from msgspec import Struct

from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import RawMessage
from telemetry.core.fleet_cache import GatewayEntry
from telemetry.core.reading import ReadingRow, to_decimal, to_instant
from telemetry.core.reasons import Reason
from telemetry.core.topic import compile_topic, parse_topic
from telemetry.core.validator import Contract, Validator
from telemetry.models import DeadLetter, Reading
from telemetry.store.ingest.fleet_cache import Registry

MOST_TRIED = 500
"""Of a group the newest so many are tried: a page does not wait longer."""


class DryRun(Struct, frozen=True):
    """Readings by what would become of them; whole messages that are rejected count once."""

    tried: int
    stored: int
    duplicate: int
    rejected: dict[str, int]
    first_detail: str

    @property
    def rejected_count(self) -> int:
        """All that would be rejected."""
        return sum(self.rejected.values())


def try_waiting(
    dead_letters: Any, *, now: datetime, fleet: Mapping[str, GatewayEntry] | None = None
) -> DryRun:
    """Try the newest waiting dead letters. `fleet`: gateways as if they were registered so."""
    rows: Iterable[DeadLetter] = dead_letters.order_by("-last_seen", "-id")[:MOST_TRIED]
    return try_messages(
        [RawMessage(row.topic, bytes(row.payload)) for row in rows], now=now, fleet=fleet
    )


def try_messages(
    messages: list[RawMessage], *, now: datetime, fleet: Mapping[str, GatewayEntry] | None = None
) -> DryRun:
    """Validate messages as a worker would, and compare with what is stored."""
    options = read_options(IngestOptions)
    pattern = compile_topic(options.topic.prefix)
    contract = Contract(
        topic_pattern=pattern,
        payload_bytes=options.contract.payload_bytes,
        ahead=timedelta(seconds=options.contract.ahead_s),
        behind=timedelta(days=options.contract.behind_days),
        keep_raw="never",
    )
    macs = {message.topic: parse_topic(message.topic, pattern) for message in messages}
    known = {**_load_fleet({mac for mac in macs.values() if mac}), **(fleet or {})}
    validator = Validator(contract, known, received_at=now)
    validated = [validator.validate(message, macs[message.topic]) for message in messages]
    rejections = [each for one in validated for each in one.rejections]
    good = [row for one in validated for row in one.good]
    stored, duplicate, conflicting = _compare(good)
    rejected = Counter(str(rejection.reason) for rejection in rejections)
    rejected[str(Reason.CONFLICTING_READING)] += conflicting
    return DryRun(
        tried=len(messages),
        stored=stored,
        duplicate=duplicate,
        rejected=dict(+rejected),
        first_detail=rejections[0].detail if rejections else "",
    )


def _load_fleet(macs: set[str]) -> dict[str, GatewayEntry]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # so that the session is told whose rows it may see
    registry = Registry(refresh_s=0)
    raw: Any = connection.connection
    registry.load(raw, sorted(macs))
    return registry.gateways


def _compare(good: list[ReadingRow]) -> tuple[int, int, int]:
    """How many rows are new, are there already, and contradict what is there."""
    by_key: dict[tuple[int, int], Counter[int]] = {}
    for row in good:
        by_key.setdefault(row[:2], Counter())[row[2]] += 1
    if not by_key:
        return 0, 0, 0
    instants = [to_instant(time_us) for _device, time_us in by_key]
    rows = Reading.objects.filter(
        device_id__in={device_id for device_id, _time in by_key},
        time__gte=min(instants), time__lte=max(instants), time__in=instants,
    )  # fmt: skip
    existing = {(row.device_id, row.time): row.value for row in rows}
    stored = duplicate = conflicting = 0
    for (device_id, time_us), values in by_key.items():
        value = existing.get((device_id, to_instant(time_us)))
        if value is None:  # of equal keys the first one is stored
            stored += 1
            value = to_decimal(next(iter(values)))
            duplicate -= 1
        same = sum(count for each, count in values.items() if to_decimal(each) == value)
        duplicate, conflicting = duplicate + same, conflicting + values.total() - same
    return stored, duplicate, conflicting
