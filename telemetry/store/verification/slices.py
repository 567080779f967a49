"""One slice of the verification: in one snapshot, from raw readings, by constant bounds of time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, LiteralString

from msgspec import Struct, field

from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries
from telemetry.store.verification.diff import Differences, classify_differences, repair_differences


class Sql(Queries):
    verify_scope: LiteralString
    verify_meters: LiteralString
    verify_accounts: LiteralString
    verify_month_scope: LiteralString
    differ_closed_months: LiteralString
    differ_closed_lines: LiteralString
    verify_hours: LiteralString
    differ_hours: LiteralString
    differ_registers: LiteralString
    differ_readings: LiteralString
    verify_month_days: LiteralString
    differ_months: LiteralString
    clear_day: LiteralString
    verify_zones: LiteralString
    verify_days: LiteralString
    differ_days: LiteralString
    verify_before: LiteralString
    verify_steps: LiteralString
    verify_uneven_devices: LiteralString
    verify_uneven_bounds: LiteralString
    verify_uneven_steps: LiteralString
    verify_uneven_hours: LiteralString
    verify_uneven_heights: LiteralString
    verify_uneven_days: LiteralString
    verify_gap_days: LiteralString


DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
RESOLUTION = timedelta(microseconds=1)
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)  # the horizon when nothing was dropped
MOST_OFFSET = timedelta(hours=15)  # between UTC and any time zone, rounded up


class Slice(Struct, frozen=True, order=True):
    """The hours of a UTC day, or the local days and totals of the billing months [day, until)."""

    kind: Literal["hours", "months"]
    day: date
    until: date

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.kind} {self.day}"


class SliceResult(Struct):
    """The result of a slice: rows computed from readings, and differences."""

    hours: int = 0
    days: int = 0
    months: int = 0
    differences: Differences = field(default_factory=Differences)


class SliceCheck(Struct):
    """The snapshot that is checked."""

    connection: Connection
    horizon: datetime
    result: SliceResult

    def execute(self, statement: Any, **parameters: Any) -> int:
        """Rows of a statement that is planned for its own bounds."""
        return self.connection.execute(statement, parameters, prepare=False).rowcount


def verify_slice(
    connection: Connection,
    piece: Slice,
    *,
    account_id: int | None,
    horizon: datetime | None,
    limit: int,
    is_repair: bool,
) -> SliceResult:
    """Compute the slice, compare, classify. `limit`: differences that are given in full.

    `is_repair`: mark what differs as dirty, delete surplus rows. Raises `psycopg.Error`.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        choose_devices(connection, piece, account_id=account_id)
        check = SliceCheck(connection, horizon or BEGINNING, SliceResult())
        verify = _verify_hours if piece.kind == "hours" else _verify_months
        span = verify(check, piece)
        differences = classify_differences(connection, limit=limit)
        if is_repair and differences.by_relation:
            repair_differences(connection, differences, span=span)
    check.result.differences = differences
    return check.result


def choose_devices(connection: Connection, piece: Slice, *, account_id: int | None) -> None:
    """Put the devices of a slice into `verified_device`, of months also their accounts."""
    if piece.kind == "hours":
        connection.execute(Sql.verify_scope, {"account_id": account_id})
    else:
        bounds = {"month": piece.day, "until": piece.until}
        connection.execute(Sql.verify_accounts, {"account_id": account_id, **bounds})
        connection.execute(Sql.verify_month_scope, bounds, prepare=False)
    connection.execute(Sql.verify_meters)
    connection.execute("ANALYZE verified_device, verified_meter")


def compare_closed_months(connection: Connection, piece: Slice) -> None:
    """Compare what closing recorded with closed totals, adjustments and lines of a month."""
    bounds = {"month": piece.day, "until": piece.until}
    connection.execute(Sql.differ_closed_months, bounds, prepare=False)
    connection.execute(Sql.differ_closed_lines, bounds, prepare=False)


def _verify_hours(check: SliceCheck, piece: Slice) -> tuple[datetime, datetime]:
    midnight = _begin_day(piece.day)
    start, end = max(midnight, check.horizon), midnight + DAY
    if start < end:
        bounds = {"start": start, "end": end}
        is_uneven = _find_uneven(check, **bounds)
        check.result.hours = check.execute(Sql.verify_steps + Sql.verify_hours, **bounds)
        if is_uneven:
            check.execute(Sql.verify_uneven_hours, **bounds)
            check.execute(Sql.verify_uneven_heights)
        check.execute("ANALYZE expected_hour")
        check.execute(Sql.differ_hours, **bounds)
        check.execute(Sql.differ_registers, **bounds)
        check.execute(Sql.differ_readings, **bounds)
    return start, end


def _verify_months(check: SliceCheck, piece: Slice) -> tuple[datetime, datetime]:
    """The days of a month, and the month as their sum, all of one snapshot."""
    bounds = {"month": piece.day, "until": piece.until}
    days: Any = check.connection.execute(
        Sql.verify_month_days, {**bounds, "offset": MOST_OFFSET}
    ).fetchall()
    for (day,) in days:
        _verify_day(check, day)
    row: Any = check.connection.execute(
        "SELECT count(*), count(DISTINCT (device_id, account_id)) FROM expected_day"
    ).fetchone()
    check.result.days, check.result.months = row
    check.execute(Sql.differ_months, **bounds, horizon=check.horizon)
    compare_closed_months(check.connection, piece)
    return _begin_day(piece.day) - MOST_OFFSET, _begin_day(piece.until) + MOST_OFFSET


def _begin_day(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _verify_day(check: SliceCheck, day: date) -> None:
    check.connection.execute(Sql.clear_day)
    zones: Any = check.connection.execute(
        Sql.verify_zones, {"day": day, "horizon": check.horizon}
    ).fetchall()
    if zones:
        start = min(zone[0] for zone in zones).replace(minute=0, second=0, microsecond=0)
        end = max(zone[1] for zone in zones) + HOUR - RESOLUTION
        end = end.replace(minute=0, second=0, microsecond=0)  # whole hours: each has one account
        is_uneven = _find_uneven(check, start=start, end=end)
        check.execute(Sql.verify_steps + Sql.verify_days, start=start, end=end, day=day)
        if is_uneven:
            check.execute(Sql.verify_uneven_days, day=day)
        check.execute(Sql.verify_gap_days, day=day)
        check.execute(Sql.differ_days, day=day)


def _find_uneven(check: SliceCheck, *, start: datetime, end: datetime) -> bool:
    """Find what was reached before a span, and compute the steps of the registers that do not
    simply rise in it; whether there are any."""
    bounds = {"start": start, "end": end}
    check.execute(Sql.verify_before, start=start)
    if not check.execute(Sql.verify_uneven_devices, **bounds):
        return False
    row: Any = check.connection.execute(Sql.verify_uneven_bounds, bounds).fetchone()
    check.execute("ANALYZE uneven_device")
    check.execute(Sql.verify_uneven_steps, **{"from": row[0], "to": row[1]})
    return True
