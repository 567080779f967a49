"""Which changes of a meter are refused: what contradicts readings, or leaves something unsaid."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.core.registers import rolls_over
from telemetry.installations.stamps import check_stamp_kept, find_wrong_stamp
from telemetry.installations.texts import InstallationError, describe_change, describe_instant
from telemetry.models import Device, Installation, Reading
from telemetry.store.installations.preview import find_horizon, find_month_start

CUMULATIVE, GAUGE = Device.Measurement.CUMULATIVE, Device.Measurement.GAUGE
FACTOR_LIMIT = 1_000_000


class Beside(Struct, frozen=True):
    """The value next to a change."""

    at: datetime
    value: Decimal


def check_change(new: Installation, before: Installation, after: Installation | None) -> None:
    """Raise `InstallationError` with the first thing that hinders a change."""
    for field, problem in _find_problems(new, before, after):
        raise InstallationError(f"{describe_change(new)}: {problem}", field=field)


def check_order(undone: Installation, before: Installation, after: Installation | None) -> None:
    """The same for undoing one: the next one must go together with the meter before, and stamps
    must be those of before."""
    kept = (undone.stamp, undone.interval_s) == (before.stamp, before.interval_s)
    if not kept and Installation.Stamp.START in (undone.stamp, before.stamp):
        newest = check_stamp_kept(undone)
        if newest is not None:
            raise InstallationError(f"{describe_change(undone)}: {newest}", field="stamp")
    if after is None or (undone.measurement, undone.unit) == (before.measurement, before.unit):
        return
    raise InstallationError(
        _("%(what)s: the change of %(next)s is one of the meter that began here: undo it first")
        % {"what": describe_change(undone), "next": _write(after.since, undone)}
    )


def _find_problems(
    new: Installation, before: Installation, after: Installation | None
) -> Iterator[tuple[str | None, str]]:
    assert new.since is not None
    yield from _find_wrong_instant(new)
    yield from _find_wrong_settings(new, before)
    yield from _find_missing_registers(new, before)
    yield from _find_contradictions(new, before, after)


def _find_wrong_instant(new: Installation) -> Iterator[tuple[str, str]]:
    assert new.since is not None
    if new.since > timezone.now():
        yield "since", _("this instant is yet to come: enter the change once it was made")
    if Installation.objects.filter(
        device_id=new.device_id, undone_at=None, since=new.since
    ).exists():
        yield "since", _("there is a change of the meter at this instant already: undo it first")
    horizon = find_horizon()
    if horizon is not None and new.since < horizon:
        yield (
            "since",
            _("readings before %(horizon)s were dropped, so nothing there can be computed again")
            % {"horizon": _write(horizon, new)},
        )


def _find_wrong_settings(new: Installation, before: Installation) -> Iterator[tuple[str, str]]:
    assert new.since is not None
    if not 0 < new.factor < FACTOR_LIMIT:
        yield (
            "factor",
            _("factor %(factor)s: expected more than 0 and less than %(limit)d")
            % {"factor": new.factor, "limit": FACTOR_LIMIT},
        )
    if new.measurement == GAUGE and new.factor != 1:
        yield (
            "factor",
            _("factor %(factor)s: expected 1, as a level is not summed up")
            % {"factor": new.factor},
        )
    if new.register_modulus is not None and new.register_modulus <= 0:
        yield "register_modulus", _("a register rolls over at more than 0")
    if new.register_modulus is not None and new.measurement != CUMULATIVE:
        yield "register_modulus", _("only a cumulative meter has a register that rolls over")
    if new.is_net and new.register_modulus is not None:
        yield (
            "register_modulus",
            _("of a meter that counts backwards, too, no rollover can be told: leave it empty"),
        )
    if new.is_net and new.measurement == GAUGE:
        yield "is_net", _("a level counts nothing, neither forwards nor backwards")
    if new.largest_rate is not None and new.largest_rate <= 0:
        yield (
            "largest_rate",
            _("%(rate)s an hour: expected more than 0") % {"rate": new.largest_rate},
        )
    if new.largest_rate is not None and new.measurement == GAUGE:
        yield "largest_rate", _("a level has no consumption an hour")
    yield from find_wrong_stamp(new, before)
    if new.unit != before.unit:
        start = find_month_start(new.device.account_id, at=new.since)
        found = (
            Reading.objects.filter(device_id=new.device_id, time__gt=start, time__lte=new.since)
            .order_by("-time")
            .first()
        )
        if found is not None:
            yield (
                "unit",
                _(
                    "the unit cannot change from %(old)s to %(new)s within a month, which has one "
                    "unit, as there is the reading %(value)s of %(at)s in it: take %(start)s, "
                    "where the month begins, or keep the unit and enter a factor"
                )
                % {
                    "old": before.unit or "-", "new": new.unit or "-", "value": found.value,
                    "at": _write(found.time, new), "start": _write(start, new),
                },
            )  # fmt: skip


def _find_missing_registers(new: Installation, before: Installation) -> Iterator[tuple[str, str]]:
    for field, value, modulus, has_register in (
        ("old_register", new.old_register, before.register_modulus,
         before.measurement == CUMULATIVE),
        ("first_register", new.first_register, new.register_modulus,
         new.measurement == CUMULATIVE),
    ):  # fmt: skip
        if has_register and value is None:
            yield (
                field,
                _(
                    "what the register had at this instant is missing: enter it, or take the "
                    "instant of a reading (%(beside)s)"
                )
                % {"beside": _list_beside(new)},
            )
        if not has_register and value is not None:
            yield field, _("%(value)s: this meter has no register") % {"value": value}
        if value is not None and modulus is not None and not 0 <= value < modulus:
            yield (
                field,
                _("%(value)s: expected 0 or more, and less than %(modulus)s, where it rolls over")
                % {"value": value, "modulus": modulus},
            )


def _find_contradictions(
    new: Installation, before: Installation, after: Installation | None
) -> Iterator[tuple[str, str]]:
    """Registers that cannot be, by what was read before and after."""
    last, first = find_last(new, before), find_first(new, after)
    if (
        last is not None
        and new.old_register is not None
        and not _can_follow(last.value, new.old_register, before)
    ):
        yield (
            "old_register",
            _(
                "the old register cannot have %(value)s, as it had %(beside)s already at %(then)s. "
                "Correct the value or the instant, or void that reading"
            )
            % {"value": new.old_register, "beside": last.value, "then": _write(last.at, new)},
        )
    if (
        first is not None
        and new.first_register is not None
        and not _can_follow(new.first_register, first.value, new)
    ):
        yield (
            "first_register",
            _(
                "the new register cannot have %(value)s, as it had %(beside)s only at %(then)s. "
                "Correct the value or the instant, or void that reading"
            )
            % {"value": new.first_register, "beside": first.value, "then": _write(first.at, new)},
        )


def find_last(new: Installation, before: Installation) -> Beside | None:
    """The last value of the meter before: a reading, or what it began with."""
    assert new.since is not None
    readings = Reading.objects.filter(device_id=new.device_id, time__lte=new.since)
    if new.first_register is not None and new.first_register != new.old_register:
        readings = readings.exclude(time=new.since, value=new.first_register)
    if before.since is not None:
        readings = readings.filter(time__gt=before.since)
    found = readings.order_by("-time").values_list("time", "value").first()
    if found is not None:
        return Beside(*found)
    if before.since is None or before.first_register is None:
        return None
    return Beside(before.since, before.first_register)


def find_first(new: Installation, after: Installation | None) -> Beside | None:
    """The first value of the new meter: a reading, or what it ended with."""
    assert new.since is not None
    readings = Reading.objects.filter(device_id=new.device_id, time__gt=new.since)
    if after is not None and after.since is not None:
        readings = readings.filter(time__lte=after.since)
    found = readings.order_by("time").values_list("time", "value").first()
    if found is not None:
        return Beside(*found)
    if after is None or after.since is None or after.old_register is None:
        return None
    return Beside(after.since, after.old_register)


def _can_follow(before: Decimal, after: Decimal, meter: Installation) -> bool:
    return (
        meter.is_net or after >= before or rolls_over(before, after, modulus=meter.register_modulus)
    )


def _list_beside(new: Installation) -> str:
    """The readings before and after the instant, in words."""
    assert new.since is not None
    rows = Reading.objects.filter(device_id=new.device_id)
    last = rows.filter(time__lt=new.since).order_by("-time").first()
    first = rows.filter(time__gt=new.since).order_by("time").first()
    texts = [f"{one.value}: {_write(one.time, new)}" for one in (last, first) if one is not None]
    return "; ".join(texts) or _("there are none beside it")


def _write(at: datetime | None, new: Installation) -> str:
    return "" if at is None else describe_instant(at, new.device)
