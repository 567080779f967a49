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
from telemetry.web.charts.intervals import find_silences
from telemetry.web.charts.period import Period

MINUTE = timedelta(minutes=1)
MOST_COUNTED = 100_000
"""Readings that are summed by minute for one chart; of more readings it shows hours."""
LONGEST_SINGLE = timedelta(hours=6)
"""Consumption over a longer time is drawn by the hour: what one reading counted says little."""


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
        hours = list_hours(period, now=now)
        samples_by_device = (
            read_hour_series(
                account_id, device_ids=device_ids, since=hours[0], until=hours[-1] + HOUR
            )
            if hours
            else {}
        )
        return arrange(Resolution.HOUR, hours, samples_by_device)
    days = list_days(period, today=calendar.day_of(now))
    samples_by_device = (
        read_day_series(account_id, device_ids=device_ids, first=days[0], until=days[-1] + DAY)
        if days
        else {}
    )
    return arrange(Resolution.DAY, days, samples_by_device)


def read_device_chart(
    account_id: int,
    *,
    device: Device,
    period: Period,
    calendar: Calendar,
    now: datetime,
    is_counted: bool = False,
) -> Chart:
    """One device as fine as its readings allow.

    Up to a day: single readings, at most 2,000, or minutes of at most 100,000 readings; otherwise,
    and for longer periods, as `read_chart`. `is_counted`: what was consumed is asked for, of which
    a register's readings say nothing, and single ones only over some hours.
    """

    def read_coarse() -> Chart:
        return read_chart(
            account_id, device_ids=[device.pk], period=period, calendar=calendar, now=now
        )

    length = period.until - period.since
    if length > LONGEST_RAW or (is_counted and (length > LONGEST_SINGLE or not _is_delta(device))):
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


def list_hours(period: Period, *, now: datetime) -> list[datetime]:
    """The UTC hours of a period up to now."""
    first, end = floor_hour(period.since), min(period.until, now)
    hours = max(0, -((first - end) // HOUR))
    return [first.astimezone(UTC) + number * HOUR for number in range(hours)]


def list_days(period: Period, *, today: date) -> list[date]:
    """The local days of a period up to today."""
    days = (min(period.end, today + DAY) - period.first).days
    return [period.first + number * DAY for number in range(days)]


def arrange(
    resolution: Resolution, slots: Sequence[Slot], samples_by_device: dict[int, list[Sample]]
) -> Chart:
    """The samples of each device in the slots of a chart."""
    series: dict[int, Series] = {}
    for device_id, samples in samples_by_device.items():
        by_slot = {sample.start: sample for sample in samples}
        series[device_id] = tuple(by_slot.get(slot) for slot in slots)
    return Chart(resolution, tuple(slots), series)


def _interrupt(resolution: Resolution, samples: Sequence[Sample], device: Device) -> Chart:
    """The samples as they are, with a gap wherever the device was silent."""
    times = [sample.start for sample in samples if isinstance(sample.start, datetime)]
    apart = find_silences(times, interval_s=device.interval_s)
    slots: list[Slot] = []
    series: list[Sample | None] = []
    for number, sample in enumerate(samples):
        if number and apart[number - 1]:
            slots.append(times[number - 1] + (times[number] - times[number - 1]) / 2)
            series.append(None)
        slots.append(sample.start)
        series.append(sample)
    return Chart(resolution, tuple(slots), {device.pk: tuple(series)} if series else {})
