"""What the samples of a device come to over a period. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from telemetry.store.reads.chart_series import Sample


class Totals(Struct, frozen=True):
    """A device over a period. `total` is None for levels; the others, without readings."""

    total: Decimal | None
    mean: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    estimated: Decimal = Decimal()
    readings_count: int = 0

    @property
    def shown(self) -> Decimal | None:
        """What the device is read for: its consumption, or its mean level."""
        return self.mean if self.total is None else self.total


def fold(series: Iterable[Sample | None]) -> Totals:
    """What the samples of a series come to; gaps are left out."""
    samples = [sample for sample in series if sample is not None]
    totals = [sample.total for sample in samples if sample.total is not None]
    count = sum(sample.readings_count for sample in samples)
    readings = sum((sample.reading_sum for sample in samples), Decimal())
    return Totals(
        total=sum(totals, Decimal()) if totals else None,
        mean=readings / count if count else None,
        minimum=min((one.minimum for one in samples if one.minimum is not None), default=None),
        maximum=max((one.maximum for one in samples if one.maximum is not None), default=None),
        estimated=sum((sample.estimated for sample in samples), Decimal()),
        readings_count=count,
    )


def count_known(samples: Iterable[Sample | None], *, is_delta: bool) -> int:
    """The samples that say what was consumed. What a delta would have counted in a time without
    readings is lost; a register has it."""
    return sum(
        sample is not None and (sample.readings_count > 0 or not is_delta) for sample in samples
    )
