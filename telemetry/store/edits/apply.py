"""Apply an edit to the readings of its period, and undo it, each in one transaction.

`reading` holds the values that count, so whatever reads it needs to know nothing of edits. What was
received is kept in `edited_reading`; ingestion looks there before it takes a reading for new.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

from django.db import DataError, connection, transaction
from django.utils.translation import gettext as _

from telemetry.models import Edit, Gateway
from telemetry.store.db.sql import Queries


class Sql(Queries):
    lock_device: LiteralString
    count_readings: LiteralString
    find_neighbours: LiteralString
    find_horizon: LiteralString
    keep_readings: LiteralString
    leave_earlier_edits: LiteralString
    make_edit_current: LiteralString
    find_later_edit: LiteralString
    leave_edit: LiteralString
    return_to_edits: LiteralString
    delete_readings: LiteralString
    update_readings: LiteralString
    insert_readings: LiteralString
    mark_hours_dirty: LiteralString


MOST_READINGS = 10_000


class EditError(ValueError):
    """The edit cannot be applied or undone. The text is one line for people, in their language."""


@transaction.atomic
def apply_edit(edit: Edit) -> int:
    """Change the readings of the edit's period and mark their hours dirty; how many were changed.

    A void takes those that count. A substitution changes those that count, and brings back one that
    was voided where the edit is of one instant. Raises `EditError`.
    """
    with connection.cursor() as cursor:
        bounds = _lock(cursor, edit)
        count = _count_readings(cursor, edit, bounds)
        try:
            with transaction.atomic():
                cursor.execute(Sql.keep_readings, bounds)
        except DataError as error:
            raise EditError(
                _("%(what)s: the factor %(factor)s makes a value of 10^11 or more")
                % {"what": describe_edit(edit), "factor": edit.factor}
            ) from error
        cursor.execute(Sql.leave_earlier_edits, bounds)
        cursor.execute(Sql.make_edit_current, bounds)
        _write_readings(cursor, bounds, is_undo=False)
    return count


@transaction.atomic
def revert_edit(edit: Edit) -> None:
    """Give the edit's readings back the values that counted before it, and mark their hours dirty.

    Raises `EditError`, also when a later edit changed one of them: that one is undone first.
    """
    with connection.cursor() as cursor:
        bounds = _lock(cursor, edit)
        cursor.execute(Sql.find_later_edit, bounds)
        later = cursor.fetchone()
        if later is not None:
            raise EditError(
                _("%(what)s: edit %(id)d changed the reading of %(at)s afterwards: undo it first")
                % {"what": describe_edit(edit), "id": later[0], "at": _write(later[1], edit)}
            )
        cursor.execute(Sql.leave_edit, bounds)
        cursor.execute(Sql.return_to_edits, bounds)
        _write_readings(cursor, bounds, is_undo=True)


def describe_edit(edit: Edit) -> str:
    """The device and the period with its time zone, for messages."""
    device = edit.device
    period = _write(edit.since, edit)
    if edit.until != edit.since:
        period = _("%(since)s to %(until)s") % {"since": period, "until": _write(edit.until, edit)}
    # The gateway of a device that moved away is another account's.
    gateways = Gateway.objects.filter(pk=device.gateway_id).values_list("code", flat=True)
    return " / ".join([edit.account.name, *gateways, device.code]) + f", {period}"


def _lock(cursor: Any, edit: Edit) -> dict[str, Any]:
    """Edits of a device go one after the other. Raises `EditError` where hours are frozen."""
    bounds = {
        "edit": edit.pk,
        "account": edit.account_id,
        "device": edit.device_id,
        "since": edit.since,
        "until": edit.until,
        "kind": str(edit.kind),
        "value": edit.value,
        "factor": edit.factor,
        "most": MOST_READINGS + 1,
    }
    cursor.execute(Sql.lock_device, bounds)
    # Statistics are older than the edit: where a plan expects one reading, it looks through the
    # whole edit for each, and of 10,000 readings that takes minutes.
    cursor.execute("SET LOCAL enable_nestloop = off")
    cursor.execute(Sql.find_horizon, bounds)
    row = cursor.fetchone()
    if row is not None:
        raise EditError(
            _(
                "%(what)s: hours before %(horizon)s are not computed again, because older readings "
                "were dropped: expected a later period"
            )
            % {"what": describe_edit(edit), "horizon": _write(row[0], edit)}
        )
    return bounds


def _count_readings(cursor: Any, edit: Edit, bounds: dict[str, Any]) -> int:
    """How many readings the edit changes. Raises `EditError` for none and for too many."""
    cursor.execute(Sql.count_readings, bounds)
    count: int = cursor.fetchone()[0]
    if count > MOST_READINGS:
        raise EditError(
            _("%(what)s: more than %(most)d readings: expected a shorter period")
            % {"what": describe_edit(edit), "most": MOST_READINGS}
        )
    if not count:
        cursor.execute(Sql.find_neighbours, bounds)
        beside = ", ".join(_write_reading(edit, *row) for row in cursor.fetchall())
        raise EditError(
            _("%(what)s: no reading counts there. Beside it: %(beside)s")
            % {"what": describe_edit(edit), "beside": beside or _("none")}
        )
    return count


def _write_readings(cursor: Any, bounds: dict[str, Any], *, is_undo: bool) -> None:
    both = {**bounds, "is_undo": is_undo}
    for statement in (
        Sql.delete_readings, Sql.update_readings, Sql.insert_readings, Sql.mark_hours_dirty,
    ):  # fmt: skip
        cursor.execute(statement, both)


def _write_reading(edit: Edit, at: datetime, value: Decimal) -> str:
    return f"{_write(at, edit)}: {value} {edit.device.unit}".rstrip()


def _write(at: datetime, edit: Edit) -> str:
    zone = edit.account.time_zone
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"
