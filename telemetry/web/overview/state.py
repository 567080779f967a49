"""What of the overview changes from second to second: presence, newest readings, alarms."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, Q
from msgspec import Struct

from telemetry.models import Alarm, Device, Finding
from telemetry.store.reads.freshness import Freshness
from telemetry.store.reads.latest_in_account import LatestReading, read_latest
from telemetry.web.charts.labels import find_devices

LATEST = 20
ALARMS = 8
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


class State(Struct, frozen=True):
    """The account at this moment."""

    freshness: Freshness
    presence: Presence
    latest: tuple[LatestRow, ...]
    alarms: OpenAlarms
    findings_count: int


def read_state(
    account_id: int,
    *,
    freshness: Freshness,
    now: datetime,
    device_ids: Sequence[int] | None,
) -> State:
    """Presence, the 20 newest readings (of the devices named), open alarms, findings to decide. At
    most seven queries."""
    return State(
        freshness,
        _read_presence(account_id),
        _read_latest(account_id, now=now, device_ids=device_ids),
        _read_alarms(account_id),
        Finding.objects.filter(account_id=account_id, state="open")[:MOST_COUNTED].count(),
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
    alarms = is_open.select_related("device").prefetch_related("device__gateway", "gateway")
    newest = list(alarms.order_by("-opened_at", "-pk")[: ALARMS + 1])
    count = len(newest) if len(newest) <= ALARMS else is_open[:MOST_COUNTED].count()
    return OpenAlarms(newest[:ALARMS], count)
