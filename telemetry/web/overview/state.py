"""What of the overview changes from second to second: presence, newest readings, alarms."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, Q
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
    """Active devices, and those of them behind a gateway that is online."""

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


class Attention(Struct, frozen=True):
    """What needs a person. `offline`: gateways that were heard once, the latest first, three at
    most. Alarms are counted apart."""

    offline: Sequence[Gateway]
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
    """Presence, the newest readings (of the devices named), and what needs attention. At most nine
    queries."""
    return State(
        freshness,
        _read_presence(account_id),
        _read_latest(account_id, now=now, device_ids=device_ids),
        _read_alarms(account_id),
        _read_attention(account_id),
    )


def _read_attention(account_id: int) -> Attention:
    silent = Gateway.objects.filter(
        account_id=account_id, is_active=True, is_online=False, last_seen__isnull=False
    )
    offline = list(silent.order_by("-last_seen")[: OFFLINE + 1])
    findings = Finding.objects.filter(account_id=account_id, state="open")
    rejected = DeadLetter.objects.filter(account_id=account_id, state=DeadLetter.State.PENDING)
    return Attention(
        offline[:OFFLINE],
        len(offline) if len(offline) <= OFFLINE else silent.count(),
        findings[:MOST_COUNTED].count(),
        rejected[:MOST_COUNTED].count(),
    )


def _read_presence(account_id: int) -> Presence:
    counts = Device.objects.filter(account_id=account_id, is_active=True).aggregate(
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
    alarms = is_open.select_related("device").prefetch_related("device__gateway")
    newest = list(alarms.order_by("-opened_at", "-pk")[: ALARMS + 1])
    count = len(newest) if len(newest) <= ALARMS else is_open[:MOST_COUNTED].count()
    return OpenAlarms(newest[:ALARMS], count)
