"""Close a billing month, and reopen it: who, when, why. Through Django's connection.

Closing keeps the totals as they are billed; what a refresh finds later becomes adjustments. Writing
`closed_month` waits for the step of a refresh that is under way, and holds up the next one.
"""

from datetime import date, datetime
from typing import Any, LiteralString

from django.db import connection, transaction

from telemetry.store.db.sql import Queries


class Sql(Queries):
    check_closing: LiteralString
    has_dirty_moved_devices: LiteralString
    record_month_event: LiteralString


MOST_DEVICE_HOURS = 10_000  # of other accounts, before a month is closed


class MonthError(ValueError):
    """The month cannot be closed or reopened. The text is one line for the operator."""


@transaction.atomic
def close_month(
    account_id: int, *, month: date, user_id: int | None, note: str = "", now: datetime
) -> int:
    """Close a month that is over; how many devices' totals were recorded. Raises `MonthError`."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE closed_month IN ROW EXCLUSIVE MODE")
        _check_closing(cursor, account_id, month=month, now=now)
        cursor.execute(
            "INSERT INTO closed_month (account_id, month, closed_by_id, closed_at, note) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (account_id, month, user_id, now, note),
        )
        if not cursor.rowcount:
            raise MonthError(f"the month {month} of account {account_id} is closed already")
        cursor.execute(
            "UPDATE monthly_total SET closed_total = total WHERE account_id = %s AND month = %s",
            [account_id, month],
        )
        devices: int = cursor.rowcount
        _record_event(
            cursor, account_id, month=month, kind="closed", user_id=user_id, note=note, now=now
        )
    return devices


@transaction.atomic
def reopen_month(
    account_id: int, *, month: date, user_id: int | None, note: str = "", now: datetime
) -> int:
    """Undo the closing of a month; how many adjustments went with it. Raises `MonthError`.

    The closed totals and the sums of the adjustments stay in the month's event.
    """
    of_month = (account_id, month)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM closed_month WHERE account_id = %s AND month = %s", of_month)
        if not cursor.rowcount:
            raise MonthError(f"the month {month} of account {account_id} is not closed")
        _record_event(
            cursor, account_id, month=month, kind="reopened", user_id=user_id, note=note, now=now
        )
        cursor.execute(
            "UPDATE monthly_total SET closed_total = NULL WHERE account_id = %s AND month = %s",
            of_month,
        )
        cursor.execute(  # rows without readings were kept only because they were billed
            "DELETE FROM monthly_total WHERE account_id = %s AND month = %s AND readings_count = 0",
            of_month,
        )
        cursor.execute(
            "DELETE FROM month_adjustment WHERE account_id = %s AND month = %s", of_month
        )
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


def _record_event(cursor: Any, account_id: int, *, month: date, **event: Any) -> None:
    cursor.execute(Sql.record_month_event, {"account_id": account_id, "month": month, **event})
