"""A chart as it is shown: labels of devices, unit, and which value of each sample."""

from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from functools import cache, cached_property, partial

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.store.reads.chart_series import Sample
from telemetry.web.charts.calendar import DAY, HOUR, Calendar
from telemetry.web.charts.chart import MINUTE, Chart, Resolution, Series, Slot
from telemetry.web.charts.period import Period

MOST_SHADED_DAYS = 62
WEEKEND = (5, 6)
OTHER = -1
"""Stands for a device's id where a series is of all that are not told apart."""
_FOUR_DECIMALS = Decimal("0.0001")


class Show(StrEnum):
    """Which value of a sample is shown."""

    CONSUMPTION = "consumption"
    LEVEL = "level"
    REGISTER = "register"


class DeviceLabel(Struct, frozen=True):
    """A device, or what else a series is of, and its label in a chart."""

    device_id: int
    name: str


class ChartView(Struct, frozen=True, dict=True):
    """A chart with what its graph, its table and its summary need."""

    chart: Chart
    period: Period
    calendar: Calendar
    devices: tuple[DeviceLabel, ...]
    show: Show
    unit: str

    def list_series(self) -> list[tuple[str, Series]]:
        """The devices that have a series, by name, in the order of `devices`."""
        series = self.chart.series
        return [
            (device.name, series[device.device_id])
            for device in self.devices
            if device.device_id in series
        ]

    @cached_property
    def spans(self) -> list[tuple[datetime, datetime]]:
        """The instants between which each slot lies; a reading lies at one."""
        return [self._span_of(slot) for slot in self.chart.slots]

    def _span_of(self, slot: Slot) -> tuple[datetime, datetime]:
        if not isinstance(slot, datetime):
            return self.calendar.start_of(slot), self.calendar.start_of(slot + DAY)
        widths = {Resolution.HOUR: HOUR, Resolution.MINUTE: MINUTE}
        return slot, slot + widths.get(self.chart.resolution, timedelta(0))

    @cached_property
    def slot_labels(self) -> list[str]:
        """The slots as text; times that the clock shows twice have the abbreviation of the zone.

        What a day's slots have in common is found once: a chart has thousands of slots.
        """
        format_date = cache(partial(date_format, format="DATE_FORMAT"))
        clock_ends = 19 if self.chart.resolution is Resolution.READING else 16
        zone = self.calendar.zone
        changes_clocks = cache(self._changes_clocks)
        slot_labels = []
        for slot in self.chart.slots:
            if not isinstance(slot, datetime):
                slot_labels.append(format_date(slot))
                continue
            local = slot.astimezone(zone)
            day = local.date()
            text = f"{format_date(day)} {local.isoformat()[11:clock_ends]}"
            if changes_clocks(day):
                is_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
                text += f" {local:%Z}" if is_twice else ""
            slot_labels.append(text)
        return slot_labels

    def _changes_clocks(self, day: date) -> bool:
        start = datetime.combine(day, time(), tzinfo=self.calendar.zone)
        ends = (start, start + DAY, (start + DAY).replace(fold=1))  # midnight may come twice
        return len({end.utcoffset() for end in ends}) > 1


def describe_unit(view: ChartView) -> str:
    """The unit of the values: of consumption, over which time."""
    if view.show is not Show.CONSUMPTION:
        return view.unit
    texts = {
        Resolution.DAY: _("%(unit)s per day"), Resolution.HOUR: _("%(unit)s per hour"),
        Resolution.MINUTE: _("%(unit)s per minute"), Resolution.READING: _("%(unit)s per reading"),
    }  # fmt: skip
    return texts[view.chart.resolution] % {"unit": view.unit}


def find_slot(view: ChartView, at: datetime) -> int:
    """The index of the hour or day that holds an instant; -1 when none does."""
    if view.chart.resolution not in (Resolution.DAY, Resolution.HOUR):
        return -1
    spans = enumerate(view.spans)
    return next((index for index, (start, end) in spans if start <= at < end), -1)


def list_weekends(view: ChartView) -> list[tuple[datetime, datetime]]:
    """The Saturdays and Sundays of the period, where it is longer than a day."""
    period, calendar = view.period, view.calendar
    count = (period.end - period.first).days
    if not 1 < count <= MOST_SHADED_DAYS:
        return []
    days = (period.first + number * DAY for number in range(count))
    return [
        (max(calendar.start_of(day), period.since), min(calendar.start_of(day + DAY), period.until))
        for day in days
        if day.weekday() in WEEKEND
    ]


def pick(sample: Sample, show: Show) -> Decimal | None:
    """The value that is shown: consumption, the mean of the readings, the last of the register."""
    if show is Show.CONSUMPTION:
        return sample.total
    if show is Show.REGISTER:
        return sample.last
    return mean_of(sample)


def mean_of(sample: Sample) -> Decimal | None:
    """The mean of the readings, to four decimals; None without readings."""
    if not sample.readings_count:
        return None
    return (sample.reading_sum / sample.readings_count).quantize(
        _FOUR_DECIMALS, rounding=ROUND_HALF_EVEN
    )
