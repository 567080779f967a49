"""Close a billing month, and reopen it: who, when, why. Through Django's connection.

Closing keeps the lines of all devices as they are billed; what a refresh finds later becomes
adjustments, which a later closing settles. Writing `closed_month` waits for the step of a refresh
that is under way, and holds up the next one. A page (`web/closing/views.py`) and an action of the
admin (`admin/closing.py`) close months; no task and no route of the API does.
"""

from datetime import date, datetime
from typing import Any, LiteralString

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from telemetry.core.findings import BLOCKING
from telemetry.store.bands.month import keep_bands
from telemetry.store.db.sql import Queries
from telemetry.store.virtual_meters.months import keep_virtual_months


class Sql(Queries):
    lock_closed_months: LiteralString
    check_closing: LiteralString
    has_dirty_moved_devices: LiteralString
    insert_closed_month: LiteralString
    keep_closed_totals: LiteralString
    settle_adjustments: LiteralString
    keep_closed_lines: LiteralString
    list_consuming_devices: LiteralString
    find_settlement: LiteralString
    unsettle_adjustments: LiteralString
    delete_closed_lines: LiteralString
    read_fingerprint: LiteralString
    count_undecided: LiteralString
    delete_closed_month: LiteralString
    clear_closed_totals: LiteralString
    delete_totals_without_readings: LiteralString
    delete_adjustments: LiteralString
    record_month_event: LiteralString


MOST_DEVICE_HOURS = 10_000  # of other accounts, before a month is closed


class MonthError(ValueError):
    """The month cannot be closed or reopened. The text is a line for people, in their language."""


@transaction.atomic
def close_month(
    account_id: int,
    *,
    month: date,
    user_id: int | None,
    note: str = "",
    now: datetime,
    fingerprint: str | None = None,
) -> int:
    """Close a month that is over; how many devices' lines were kept. Raises `MonthError`.

    Adjustments of earlier months are settled with it. `fingerprint`: what `read_fingerprint` said
    when the totals were looked at; the month stays open when it is another one now.
    """
    key: dict[str, Any] = {"account_id": account_id, "month": month}
    event: dict[str, Any] = {"user_id": user_id, "note": note, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(Sql.lock_closed_months)
        _check_closing(cursor, account_id, month=month, now=now)
        if fingerprint is not None and read_fingerprint(account_id, month=month) != fingerprint:
            raise MonthError(
                _(
                    "the totals of the month %(month)s have changed since you opened the page: "
                    "look again"
                )
                % {"month": month}
            )
        cursor.execute(Sql.insert_closed_month, {**key, **event})
        if not cursor.rowcount:
            raise MonthError(
                _("the month %(month)s of account %(account)s is closed already")
                % {"month": month, "account": account_id}
            )
        cursor.execute(Sql.keep_closed_totals, key)
        cursor.execute(Sql.settle_adjustments, key)
        cursor.execute(Sql.keep_closed_lines, key)
        devices: int = cursor.rowcount
        cursor.execute(Sql.list_consuming_devices, key)
        keep_bands(account_id, month=month, device_ids=[device for (device,) in cursor.fetchall()])
        keep_virtual_months(account_id, month=month)
        cursor.execute(Sql.record_month_event, {**key, **event, "kind": "closed"})
    return devices


@transaction.atomic
def reopen_month(
    account_id: int, *, month: date, user_id: int | None, note: str = "", now: datetime
) -> int:
    """Undo the closing of a month; how many adjustments went with it.

    Raises `MonthError`, also when its adjustments were billed with a later month: that one is
    reopened first.

    The closed totals and the sums of the adjustments stay in the month's event.
    """
    key: dict[str, Any] = {"account_id": account_id, "month": month}
    event: dict[str, Any] = {"user_id": user_id, "note": note, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(Sql.find_settlement, key)
        settled_in = cursor.fetchone()[0]
        if settled_in is not None:
            raise MonthError(
                _(
                    "adjustments of the month %(month)s were billed with the month %(later)s: "
                    "reopen that one first"
                )
                % {"month": month, "later": settled_in}
            )
        cursor.execute(Sql.delete_closed_lines, key)
        cursor.execute(Sql.delete_closed_month, key)
        if not cursor.rowcount:
            raise MonthError(
                _("the month %(month)s of account %(account)s is not closed")
                % {"month": month, "account": account_id}
            )
        cursor.execute(Sql.unsettle_adjustments, key)
        cursor.execute(Sql.record_month_event, {**key, **event, "kind": "reopened"})
        cursor.execute(Sql.clear_closed_totals, key)
        cursor.execute(Sql.delete_totals_without_readings, key)
        cursor.execute(Sql.delete_adjustments, key)
        adjustments: int = cursor.rowcount
    return adjustments


def read_fingerprint(account_id: int, *, month: date) -> str:
    """What the totals of a month's devices are, in short: another text when one of them changes."""
    with connection.cursor() as cursor:
        cursor.execute(Sql.read_fingerprint, {"account_id": account_id, "month": month})
        row: tuple[str] = cursor.fetchone()
    return row[0]


def find_hindrance(account_id: int, *, month: date, now: datetime) -> str:
    """Why the month cannot be closed now, for people; empty when it can."""
    try:
        with connection.cursor() as cursor:
            _check_closing(cursor, account_id, month=month, now=now)
    except MonthError as error:
        return str(error)
    return ""


def _check_closing(cursor: Any, account_id: int, *, month: date, now: datetime) -> None:
    cursor.execute(Sql.check_closing, {"account_id": account_id, "month": month})
    row = cursor.fetchone()
    if row is None:
        raise MonthError(_("there is no account %(account)s") % {"account": account_id})
    first_day, starts_at, ends_at, is_waiting = row
    if first_day != month:
        raise MonthError(
            _(
                "%(month)s is not the first day of a billing month of account %(account)s: "
                "expected %(first)s"
            )
            % {"month": month, "account": account_id, "first": first_day}
        )
    if now < ends_at:
        raise MonthError(
            _("the month %(month)s is not over: it ends at %(end)s UTC")
            % {"month": month, "end": f"{ends_at:%Y-%m-%d %H:%M}"}
        )
    cursor.execute(
        Sql.count_undecided,
        {"account_id": account_id, "since": starts_at, "until": ends_at, "rules": list(BLOCKING)},
    )
    undecided: int = cursor.fetchone()[0]
    if undecided:
        raise MonthError(
            ngettext(
                "%(count)d finding of the month %(month)s must be decided first",
                "%(count)d findings of the month %(month)s must be decided first",
                undecided,
            )
            % {"count": undecided, "month": month}
        )
    if is_waiting or _has_dirty_moved_devices(cursor, account_id, since=starts_at, until=ends_at):
        raise MonthError(
            _("readings of the month %(month)s wait for the refresh: try again in a minute")
            % {"month": month}
        )


def _has_dirty_moved_devices(
    cursor: Any, account_id: int, *, since: datetime, until: datetime
) -> bool:
    """Whether dirty hours hold readings of devices that moved to another account."""
    parameters = {
        "account_id": account_id,
        "since": since.replace(minute=0, second=0),  # an hour that two months share
        "until": until,
        "most": MOST_DEVICE_HOURS,
    }
    cursor.execute(Sql.has_dirty_moved_devices, parameters)
    row: tuple[bool] = cursor.fetchone()
    return row[0]
