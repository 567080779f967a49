"""Close a billing month, and reopen it: who, when, why. Through Django's connection.

Closing keeps the totals as they are billed; what a refresh finds later becomes adjustments. Writing
`closed_month` waits for the step of a refresh that is under way, and holds up the next one. The
actions in `telemetry/admin/closing.py` are the only callers: no task closes a month.
"""

from datetime import date, datetime
from typing import Any, LiteralString

from django.db import connection, transaction

from telemetry.store.db.sql import Queries


class Sql(Queries):
    lock_closed_months: LiteralString
    check_closing: LiteralString
    has_dirty_moved_devices: LiteralString
    insert_closed_month: LiteralString
    keep_closed_totals: LiteralString
    delete_closed_month: LiteralString
    clear_closed_totals: LiteralString
    delete_totals_without_readings: LiteralString
    delete_adjustments: LiteralString
    record_month_event: LiteralString


MOST_DEVICE_HOURS = 10_000  # of other accounts, before a month is closed


class MonthError(ValueError):
    """The month cannot be closed or reopened. The text is one line for the operator."""


@transaction.atomic
def close_month(
    account_id: int, *, month: date, user_id: int | None, note: str = "", now: datetime
) -> int:
    """Close a month that is over; how many devices' totals were recorded. Raises `MonthError`."""
    key: dict[str, Any] = {"account_id": account_id, "month": month}
    event: dict[str, Any] = {"user_id": user_id, "note": note, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(Sql.lock_closed_months)
        _check_closing(cursor, account_id, month=month, now=now)
        cursor.execute(Sql.insert_closed_month, {**key, **event})
        if not cursor.rowcount:
            raise MonthError(f"the month {month} of account {account_id} is closed already")
        cursor.execute(Sql.keep_closed_totals, key)
        devices: int = cursor.rowcount
        cursor.execute(Sql.record_month_event, {**key, **event, "kind": "closed"})
    return devices


@transaction.atomic
def reopen_month(
    account_id: int, *, month: date, user_id: int | None, note: str = "", now: datetime
) -> int:
    """Undo the closing of a month; how many adjustments went with it. Raises `MonthError`.

    The closed totals and the sums of the adjustments stay in the month's event.
    """
    key: dict[str, Any] = {"account_id": account_id, "month": month}
    event: dict[str, Any] = {"user_id": user_id, "note": note, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(Sql.delete_closed_month, key)
        if not cursor.rowcount:
            raise MonthError(f"the month {month} of account {account_id} is not closed")
        cursor.execute(Sql.record_month_event, {**key, **event, "kind": "reopened"})
        cursor.execute(Sql.clear_closed_totals, key)
        cursor.execute(Sql.delete_totals_without_readings, key)
        cursor.execute(Sql.delete_adjustments, key)
        adjustments: int = cursor.rowcount
    return adjustments


def _check_closing(cursor: Any, account_id: int, *, month: date, now: datetime) -> None:
    cursor.execute(Sql.check_closing, {"account_id": account_id, "month": month})
    row = cursor.fetchone()
    if row is None:
        raise MonthError(f"there is no account {account_id}")
    first_day, starts_at, ends_at, is_waiting = row
    if first_day != month:
        raise MonthError(
            f"{month} is not the first day of a billing month of account {account_id}: "
            f"expected {first_day}"
        )
    if now < ends_at:
        raise MonthError(f"the month {month} is not over: it ends at {ends_at:%Y-%m-%d %H:%M} UTC")
    if is_waiting or _has_dirty_moved_devices(cursor, account_id, since=starts_at, until=ends_at):
        raise MonthError(
            f"readings of the month {month} wait for the refresh: try again in a minute"
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
