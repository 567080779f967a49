"""What a chart shows: the samples of devices over a period, None where there is none.

Pages read charts here alone; the queries are those of `store.reads.chart_series`. Values are
exact, in the devices' units.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from telemetry.models import Device
from telemetry.store.reads.chart_series import (
    LONGEST_RAW,
    MOST_READINGS,
    Sample,
    read_day_series,
    read_hour_series,
    read_minutes,
    read_single_readings,
)
from telemetry.web.charts.calendar import DAY, HOUR, Calendar, floor_hour
from telemetry.web.charts.period import Period

MINUTE = timedelta(minutes=1)
MOST_COUNTED = 100_000
"""Readings that are summed by minute for one chart; of more readings it shows hours."""
SILENT_INTERVALS = 2
"""Single readings that are more of the device's intervals apart have a gap between them."""


class Resolution(StrEnum):
    """What one point of a chart represents."""

    READING = "reading"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


Slot = datetime | date
Series = tuple[Sample | None, ...]
"""The samples of a device, one for each slot of the chart; None is a gap."""


class Chart(Struct, frozen=True):
    """Series by device id.

    A slot is the first instant of an hour or a minute (UTC), a local day, or the time of a reading.
    """

    resolution: Resolution
    slots: tuple[Slot, ...]
    series: dict[int, Series]


def read_chart(
    account_id: int, *, device_ids: Sequence[int], period: Period, calendar: Calendar, now: datetime
) -> Chart:
    """Hours, or local days of a longer period, up to now; at most 12 devices.

    The first hour is the one in which the period begins. Devices without a sample have no series.
    """
    if period.is_hourly:
        slots = _list_hours(period, now=now)
        samples_by_device = (
            read_hour_series(
                account_id, device_ids=device_ids, since=slots[0], until=slots[-1] + HOUR
            )
            if slots
            else {}
        )
        return _arrange(Resolution.HOUR, slots, samples_by_device)
    days = _list_days(period, today=calendar.day_of(now))
    samples_by_device = (
        read_day_series(account_id, device_ids=device_ids, first=days[0], until=days[-1] + DAY)
        if days
        else {}
    )
    return _arrange(Resolution.DAY, days, samples_by_device)


def read_device_chart(
    account_id: int, *, device: Device, period: Period, calendar: Calendar, now: datetime
) -> Chart:
    """One device as fine as its readings allow.

    Up to a day: single readings, at most 2,000, or minutes of at most 100,000 readings; otherwise,
    and for longer periods, as `read_chart`.
    """

    def read_coarse() -> Chart:
        return read_chart(
            account_id, device_ids=[device.pk], period=period, calendar=calendar, now=now
        )

    if period.until - period.since > LONGEST_RAW:
        return read_coarse()
    readings = read_single_readings(
        account_id, device_id=device.pk, since=period.since, until=period.until
    )
    if len(readings) <= MOST_READINGS:
        single = [_make_single(at, value, is_delta=_is_delta(device)) for at, value in readings]
        return _interrupt(Resolution.READING, single, device)
    hours = read_coarse()
    counted = sum(sample.readings_count for sample in hours.series.get(device.pk, ()) if sample)
    if counted > MOST_COUNTED:
        return hours
    minutes = read_minutes(account_id, device_id=device.pk, since=period.since, until=period.until)
    return _interrupt(Resolution.MINUTE, minutes, device)


def _make_single(at: datetime, value: Decimal, *, is_delta: bool) -> Sample:
    return Sample(at, value if is_delta else None, Decimal(), value, value, value, value, 1)


def _is_delta(device: Device) -> bool:
    return device.measurement == Device.Measurement.DELTA


def _list_hours(period: Period, *, now: datetime) -> list[datetime]:
    first, end = floor_hour(period.since), min(period.until, now)
    hours = max(0, -((first - end) // HOUR))
    return [first.astimezone(UTC) + number * HOUR for number in range(hours)]


def _list_days(period: Period, *, today: date) -> list[date]:
    days = (min(period.end, today + DAY) - period.first).days
    return [period.first + number * DAY for number in range(days)]


def _arrange(
    resolution: Resolution, slots: Sequence[Slot], samples_by_device: dict[int, list[Sample]]
) -> Chart:
    series: dict[int, Series] = {}
    for device_id, samples in samples_by_device.items():
        by_slot = {sample.start: sample for sample in samples}
        series[device_id] = tuple(by_slot.get(slot) for slot in slots)
    return Chart(resolution, tuple(slots), series)


def _interrupt(resolution: Resolution, samples: Sequence[Sample], device: Device) -> Chart:
    """The samples as they are, with a gap wherever the device was silent."""
    apart = max(SILENT_INTERVALS * timedelta(seconds=device.interval_s or 3_600), 2 * MINUTE)
    slots: list[Slot] = []
    series: list[Sample | None] = []
    for sample in samples:
        start = sample.start
        if slots and isinstance(start, datetime):
            before = slots[-1]
            if isinstance(before, datetime) and start - before > apart:
                slots.append(before + (start - before) / 2)
                series.append(None)
        slots.append(start)
        series.append(sample)
    return Chart(resolution, tuple(slots), {device.pk: tuple(series)} if series else {})
