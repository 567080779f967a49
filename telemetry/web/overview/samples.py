"""Samples of several devices together, as a chart draws them. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

from telemetry.store.reads.account_series import GroupSample
from telemetry.store.reads.chart_series import Sample
from telemetry.web.charts.chart import Series, Slot


def make_sample(start: Slot, total: Decimal, estimated: Decimal) -> Sample:
    """Consumption of several devices: it has no readings of its own."""
    return Sample(start, total, estimated, Decimal(), None, None, None, 0)


def day_of(sample: GroupSample) -> date:
    """The local day of a sample by days."""
    assert not isinstance(sample.start, datetime)
    return sample.start


def add_up(samples: Iterable[GroupSample], slots: Sequence[Slot]) -> Series:
    """A series of the samples, those of one slot added; None where there is none."""
    sums: dict[Slot, tuple[Decimal, Decimal]] = {}
    for sample in samples:
        total, estimated = sums.get(sample.start, (Decimal(), Decimal()))
        sums[sample.start] = (total + sample.total, estimated + sample.estimated)
    return tuple(make_sample(slot, *sums[slot]) if slot in sums else None for slot in slots)
