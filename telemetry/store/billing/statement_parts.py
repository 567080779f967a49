"""The parts of statements: each device by its meters, with their registers at both ends."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from telemetry.core.installations import Installation
from telemetry.core.measurement import Measurement
from telemetry.core.statements import RegisterValue, list_periods
from telemetry.core.zones import Zone
from telemetry.store.billing.consumed import Border, Span, read_consumed
from telemetry.store.billing.register_values import read_first, read_registers
from telemetry.store.reads.own_times import OwnTime, is_in


class Period(Struct, frozen=True):
    """A time of an account, in UTC instants."""

    account_id: int
    zone: Zone
    since: datetime
    until: datetime


OwnTimes = Mapping[int, Sequence[OwnTime]]
"""By device: when it was the account's. What else is entered of it may be another account's."""


class FittedMeter(Struct, frozen=True):
    """A meter at a device, with what its readings are in."""

    installation: Installation
    unit: str
    serial: str


class StatementPart(Struct, frozen=True):
    """What a meter counted after `since`, up to and including `until`. Registers are as they were
    read, before the factor; None where there is none."""

    since: datetime
    until: datetime
    measurement: Measurement
    unit: str
    factor: Decimal
    serial: str
    opening: RegisterValue | None
    closing: RegisterValue | None
    total: Decimal
    estimated: Decimal

    def hide_outside(
        self, times: Sequence[OwnTime], begin: datetime, end: datetime
    ) -> "StatementPart":
        """The same without what is of before, between or after some times, in order: registers,
        changes of the meter. `begin`, `end`: of the statement, which are nobody's secret."""

        def shown(of: RegisterValue | None) -> RegisterValue | None:
            return of if of is not None and is_in(times, of.at) else None

        since, until, serial = begin, end, ""
        if times:
            first, last, serial = times[0].since, times[-1].until, self.serial
            since = self.since if first is None or self.since == begin else max(self.since, first)
            until = self.until if last is None or self.until == end else min(self.until, last)
        return replace(
            self, since=since, until=until, serial=serial, opening=shown(self.opening),
            closing=shown(self.closing),
        )  # fmt: skip


class _Counted(Struct):
    """A meter in its time, on the way to a part."""

    device_id: int
    meter: FittedMeter
    since: datetime
    until: datetime
    following: Installation | None
    opening: RegisterValue | None = None
    closing: RegisterValue | None = None

    @property
    def is_register(self) -> bool:
        """Whether it has one."""
        return self.meter.installation.meter.measurement == "cumulative"


def count_parts(
    period: Period, meters: Mapping[int, Sequence[FittedMeter]], own: OwnTimes
) -> dict[int, list[StatementPart]]:
    """The parts of devices that count something in a period, in order of time."""
    counted = [part for device in meters for part in _split(period, device, meters[device])]
    spans = [Span(part.device_id, part.since, part.until) for part in counted]
    consumed = read_consumed(period.account_id, period.zone, spans)
    _enter_registers(counted, own)
    for at in (period.since, period.until):
        _read_border(period, at, counted, consumed.borders.get(at), meters)
    _read_first(period, counted)
    found: dict[int, list[StatementPart]] = {}
    for part, of in zip(counted, consumed.spans, strict=True):
        meter = part.meter.installation.meter
        found.setdefault(part.device_id, []).append(
            StatementPart(
                part.since, part.until, meter.measurement, part.meter.unit, meter.factor,
                part.meter.serial, part.opening, part.closing, of.total, of.estimated,
            )
        )  # fmt: skip
    return found


def _split(period: Period, device_id: int, meters: Sequence[FittedMeter]) -> list[_Counted]:
    installations = [meter.installation for meter in meters]
    following = dict(zip(installations, [*installations[1:], None], strict=True))
    periods = list_periods(installations, period.since, period.until)
    return [
        _Counted(device_id, meter, *periods[meter.installation], following[meter.installation])
        for meter in meters
        if meter.installation in periods
    ]


def _enter_registers(counted: Sequence[_Counted], own: OwnTimes) -> None:
    """Registers that changes of the meter tell, in the account's time."""
    for part in counted:
        start, after = part.meter.installation.start, part.following
        if not part.is_register:
            continue
        times = own.get(part.device_id, ())
        if start is not None and start.at == part.since and is_in(times, part.since):
            part.opening = RegisterValue(start.value, start.at, "entered")
        if after is None or after.since != part.until or after.old_register is None:
            continue
        if is_in(times, part.until):
            part.closing = RegisterValue(after.old_register, part.until, "entered")


def _read_border(
    period: Period,
    at: datetime,
    counted: Sequence[_Counted],
    border: Border | None,
    meters: Mapping[int, Sequence[FittedMeter]],
) -> None:
    """Registers at an end of the period, of those that nobody entered."""
    parts = [
        part
        for part in counted
        if part.is_register
        and ((part.since == at and part.opening is None)
            or (part.until == at and part.closing is None))
    ]  # fmt: skip
    if not parts or border is None:
        return
    of = {
        part.device_id: (
            part.meter.installation,
            [meter.installation for meter in meters[part.device_id]],
        )
        for part in parts
    }
    found = read_registers(period.account_id, at, meters=of, gaps=border.gaps)
    for part in parts:
        if part.since == at:
            part.opening = found.get(part.device_id)
        else:
            part.closing = found.get(part.device_id)


def _read_first(period: Period, counted: Sequence[_Counted]) -> None:
    """The first readings of registers that had none before their time."""
    parts = [part for part in counted if part.is_register and part.opening is None]
    if not parts:
        return
    begins = [(part.device_id, part.since) for part in parts]
    for part, value in zip(parts, read_first(period.account_id, begins), strict=True):
        if value is not None and value.at <= part.until:
            part.opening = RegisterValue(value.value, value.at, "measured")
