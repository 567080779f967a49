"""Check the aggregates: compute them again from raw readings, another way, and list differences.

The work goes by slices: UTC days for hours, billing months for local days and months. A slice is
one REPEATABLE READ snapshot. Ingestion stores readings and dirty hours in one transaction, and a
refresh deletes dirty hours in the one in which it writes: in any snapshot a reading is either in
the aggregates, or its hour is dirty, and then a difference there is waiting. Nothing is locked.
"""

import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, LiteralString

from msgspec import Struct, field

from telemetry.store.aggregates.hours import force_community
from telemetry.store.db.connection import Connection
from telemetry.store.db.locks import Lock, hold_lock
from telemetry.store.db.sql import Queries
from telemetry.store.retention.chunks import read_horizon
from telemetry.store.verification.diff import Difference
from telemetry.store.verification.slices import Slice, SliceResult, verify_slice


class Sql(Queries):
    verify_tables: LiteralString
    verify_slices: LiteralString
    verify_months: LiteralString
    verify_outside: LiteralString
    list_frozen: LiteralString


EXAMPLES = 50
DAY = timedelta(days=1)


class Scope(Struct, frozen=True):
    """What is verified: UTC days of hours, both ends included, and whole billing months that have a
    day of them; of the devices of one account or all."""

    since: date | None = None
    until: date | None = None
    account_id: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self == Scope()


class Verification(Struct):
    """What was found. Rows computed from readings: `hours`, `days`, `months`, each of one device.

    No differences: `waiting` for the refresh, and `frozen`. `skipped_hours`: before the raw
    horizon; `frozen_hours`: those that late readings came for. `next_slice`: where to go on
    when there was no time for all.
    """

    hours: int = 0
    days: int = 0
    months: int = 0
    differences: int = 0
    by_relation: dict[str, int] = field(default_factory=dict)
    examples: list[Difference] = field(default_factory=list)
    waiting: int = 0
    frozen: int = 0
    skipped_hours: int = 0
    frozen_hours: int = 0
    frozen_examples: list[str] = field(default_factory=list)
    next_slice: Slice | None = None


class VerifyBusyError(Exception):
    """Another verification is under way."""


def verify_aggregates(
    connection: Connection,
    *,
    scope: Scope = Scope(),  # noqa: B008 - frozen
    so_far: Verification | None = None,
    budget_s: float | None = None,
    examples: int = EXAMPLES,
    is_repair: bool = False,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Verification:
    """Compare aggregates with readings. Outside a transaction; repeating it is safe.

    No slice but the first is begun after `budget_s`; handed in as `so_far`, the answer is
    continued. `is_repair` marks what differs as dirty and deletes surplus rows: under the lock of
    the refresh. `progress` gets slices done, slices, the slice's name. Raises
    `VerifyBusyError`, `psycopg.Error`.
    """
    with hold_lock(connection, Lock.VERIFY, busy=VerifyBusyError):
        create_tables(connection)
        result = so_far or _begin(connection, scope, examples=examples)
        slices = list_slices(connection, scope)
        begin = result.next_slice
        result.next_slice = None
        is_begun = False
        end_s = None if budget_s is None else time.monotonic() + budget_s
        for number, piece in enumerate(slices):
            if begin is not None and piece < begin:
                continue
            if end_s is not None and is_begun and time.monotonic() >= end_s:
                result.next_slice = piece
                break
            is_begun = True  # a turn does one slice at least, or it would never end
            progress(number, len(slices), piece.name)
            limit = max(0, examples - len(result.examples))
            slice_result = _verify(connection, piece, scope, limit=limit, is_repair=is_repair)
            force_community(connection, slice_result.differences.forced)
            _add(result, slice_result)
        else:
            progress(len(slices), len(slices), "")
        return result


def create_tables(connection: Connection) -> None:
    """The temporary tables in which a slice is compared."""
    connection.execute(Sql.verify_tables)


def list_slices(connection: Connection, scope: Scope) -> list[Slice]:
    """The slices in which there is anything, hours first."""
    rows: Any = connection.execute(Sql.verify_slices).fetchall()
    chosen = [
        day.date()
        for (day,) in rows
        if (scope.since is None or day.date() >= scope.since)
        and (scope.until is None or day.date() <= scope.until)
    ]
    near = {day + shift * DAY for day in chosen for shift in (-1, 0, 1)}
    parameters = {"days": sorted(near), "account_id": scope.account_id}
    months: Any = connection.execute(Sql.verify_months, parameters).fetchall()
    return sorted(
        [Slice("hours", day, day) for day in chosen]
        + [Slice("months", month, until) for month, until in months]
    )


def _begin(connection: Connection, scope: Scope, *, examples: int) -> Verification:
    parameters = {"account_id": scope.account_id, "limit": examples}
    row: Any = connection.execute(Sql.verify_outside, parameters).fetchone()
    rows: Any = connection.execute(Sql.list_frozen, parameters).fetchall()
    return Verification(
        skipped_hours=row[0], frozen_hours=row[1], frozen_examples=[text for (text,) in rows]
    )


def _verify(
    connection: Connection, piece: Slice, scope: Scope, *, limit: int, is_repair: bool
) -> SliceResult:
    """A slice, again when readings were dropped meanwhile: a drop shows in every snapshot."""
    while True:
        horizon = read_horizon(connection)
        result = verify_slice(
            connection,
            piece,
            account_id=scope.account_id,
            horizon=horizon,
            limit=limit,
            is_repair=is_repair,
        )
        if read_horizon(connection) == horizon:
            return result


def _add(result: Verification, piece: SliceResult) -> None:
    differences = piece.differences
    result.hours += piece.hours
    result.days += piece.days
    result.months += piece.months
    result.waiting += differences.excused.get("waiting", 0)
    result.frozen += differences.excused.get("frozen", 0)
    for relation, count in differences.by_relation.items():
        result.differences += count
        result.by_relation[relation] = result.by_relation.get(relation, 0) + count
    result.examples += differences.examples
