"""What of the overview changes from second to second: presence, newest readings, alarms."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, DateTimeField, F, Q, Value
from django.db.models.functions import Coalesce, NullIf
from msgspec import Struct

from telemetry.models import Alarm, DeadLetter, Device, Finding, Gateway
from telemetry.store.reads.freshness import Freshness
from telemetry.store.reads.latest_in_account import LatestReading, read_latest
from telemetry.web.charts.labels import find_devices

LATEST = 6
ALARMS = 8
OFFLINE = 3
MOST_COUNTED = 1_000


class Presence(Struct, frozen=True):
    """Active devices behind active gateways, and those of them behind one that is online."""

    devices_count: int
    devices_online: int


class LatestRow(Struct, frozen=True):
    """A reading with its device, which is None when it is another account's by now."""

    reading: LatestReading
    device: Device | None


class OpenAlarms(Struct, frozen=True):
    """The newest open alarms, and how many there are (no more than 1,000 are counted)."""

    alarms: Sequence[Alarm]
    count: int


class SilentGateway(Struct, frozen=True):
    """A gateway that was heard once, by its name or its code."""

    name: str
    last_seen: datetime


class Attention(Struct, frozen=True):
    """What needs a person. `offline`: three silent gateways at most, the last one first. No more
    than 1,000 of anything are counted; alarms are counted apart."""

    offline: Sequence[SilentGateway]
    offline_count: int
    findings_count: int
    rejected_count: int


class State(Struct, frozen=True):
    """The account at this moment."""

    freshness: Freshness
    presence: Presence
    latest: tuple[LatestRow, ...]
    alarms: OpenAlarms
    attention: Attention

    @property
    def needs_attention(self) -> bool:
        """Whether anything does."""
        of = self.attention
        counts = (self.alarms.count, of.offline_count, of.findings_count, of.rejected_count)
        return any(counts)


def read_state(
    account_id: int,
    *,
    freshness: Freshness,
    now: datetime,
    device_ids: Sequence[int] | None,
) -> State:
    """Presence, the newest readings (of the devices named), and what needs attention. At most eight
    queries."""
    return State(
        freshness,
        _read_presence(account_id),
        _read_latest(account_id, now=now, device_ids=device_ids),
        _read_alarms(account_id),
        _read_attention(account_id),
    )


def _read_attention(account_id: int) -> Attention:
    """One query: what is counted beside the gateways that are named."""
    silent = Gateway.objects.filter(
        account_id=account_id, is_active=True, is_online=False, last_seen__isnull=False
    )
    findings = Finding.objects.filter(account_id=account_id, state="open")
    rejected = DeadLetter.objects.filter(account_id=account_id, state=DeadLetter.State.PENDING)
    named = silent.order_by("-last_seen").annotate(
        what=Value("offline"), text=Coalesce(NullIf("name", Value("")), "code"), at=F("last_seen")
    )
    counted = [
        rows.annotate(what=Value(what), text=Value(""), at=Value(None, DateTimeField()))
        for what, rows in (("finding", findings), ("rejected", rejected))
    ]
    listed = [rows.values_list("what", "text", "at")[:MOST_COUNTED] for rows in (named, *counted)]
    found = list(listed[0].union(*listed[1:], all=True))
    counts = Counter(what for what, _, _ in found)
    offline = [SilentGateway(text, at) for what, text, at in found if what == "offline"]
    offline.sort(key=lambda gateway: gateway.last_seen, reverse=True)
    return Attention(offline[:OFFLINE], counts["offline"], counts["finding"], counts["rejected"])


def _read_presence(account_id: int) -> Presence:
    active = Device.objects.filter(account_id=account_id, is_active=True, gateway__is_active=True)
    counts = active.aggregate(
        devices=Count("pk"), online=Count("pk", filter=Q(gateway__is_online=True))
    )
    return Presence(counts["devices"], counts["online"])


def _read_latest(
    account_id: int, *, now: datetime, device_ids: Sequence[int] | None
) -> tuple[LatestRow, ...]:
    readings = read_latest(account_id, most=LATEST, now=now, device_ids=device_ids)
    devices = find_devices(account_id, ids={reading.device_id for reading in readings})
    return tuple(LatestRow(reading, devices.get(reading.device_id)) for reading in readings)


def _read_alarms(account_id: int) -> OpenAlarms:
    is_open = Alarm.objects.filter(account_id=account_id, closed_at=None)
    alarms = is_open.select_related("device").prefetch_related("device__gateway", "gateway")
    newest = list(alarms.order_by("-opened_at", "-pk")[: ALARMS + 1])
    count = len(newest) if len(newest) <= ALARMS else is_open[:MOST_COUNTED].count()
    return OpenAlarms(newest[:ALARMS], count)
