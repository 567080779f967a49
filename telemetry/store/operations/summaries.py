"""Sums for the admin's home and its dead letters: a task writes them, pages read them.

A page that summed itself would take seconds where a million dead letters wait, or a day's ledger
is long. Every call may raise `DatabaseError`; the first one `psycopg.Error`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, LiteralString

from django.db import connection, transaction
from msgspec import Struct

from telemetry.models import LedgerQuarter
from telemetry.store.db.connection import Connection
from telemetry.store.db.locks import Lock, lock_transaction
from telemetry.store.db.sql import Queries

MOST_LIVE = 20_000
"""So many waiting dead letters are counted for each page that shows them; more, by the task."""
RATE_MINUTES = 5
MOST_FOUND = 500
NEWEST_SEARCHED = 5_000
"""Texts are sought in the newest so many dead letters: there is no index on them."""


class Sql(Queries):
    sum_quarters: LiteralString
    purge_quarters: LiteralString
    count_groups: LiteralString
    count_group: LiteralString
    has_more_waiting: LiteralString
    recent_messages: LiteralString
    gateways: LiteralString
    dead_letters: LiteralString
    open_counts: LiteralString
    group_macs: LiteralString


class WaitingReason(Struct, frozen=True):
    """Dead letters that wait for one reason: groups, messages, and rows of the table."""

    reason: str
    groups: int
    messages: int
    dead_letters: int


class GatewayCounts(Struct, frozen=True):
    """Active gateways. Those that were `never_seen` are among those that are offline."""

    online: int
    offline: int
    never_seen: int


def sum_quarters(maintenance: Connection) -> None:
    """Bring the sums of the ledger by the quarter of an hour up to date. Pages may not."""
    with maintenance.transaction():
        _lock(maintenance)
        maintenance.execute(Sql.sum_quarters)
        maintenance.execute(Sql.purge_quarters)


def count_groups() -> None:
    """Count every group of waiting dead letters."""
    with transaction.atomic(), connection.cursor() as cursor:
        _lock(cursor)
        cursor.execute(Sql.count_groups)


def count_groups_if_few() -> bool:
    """The same where that takes no time; whether it was done."""
    if _fetch(Sql.has_more_waiting, {"most": MOST_LIVE})[0][0]:
        return False
    count_groups()
    return True


def count_group_again(keys: Iterable[tuple[str, str]]) -> None:
    """Count the groups of these reasons and MACs, after an action on them."""
    with transaction.atomic(), connection.cursor() as cursor:
        _lock(cursor)
        for reason, mac in sorted(set(keys)):
            cursor.execute(Sql.count_group, {"reason": reason, "mac": mac})


def read_rate() -> float:
    """Messages a minute, of the last minutes."""
    return int(_fetch(Sql.recent_messages, {"minutes": RATE_MINUTES})[0][0]) / RATE_MINUTES


def read_gateways() -> GatewayCounts:
    """How many are online."""
    return GatewayCounts(*_fetch(Sql.gateways)[0])


def read_waiting() -> list[WaitingReason]:
    """Waiting dead letters by reason, as they were counted last."""
    return [WaitingReason(*row) for row in _fetch(Sql.dead_letters)]


def find_group_macs(text: str, *, account_id: int | None = None) -> list[str]:
    """MACs of gateways whose code or name holds the text, and of those whose newest dead letters
    name the device of this code: the newest of the account, or of all."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    parameters = {
        "like": f"%{escaped}%", "text": text, "most": MOST_FOUND, "newest": NEWEST_SEARCHED,
        "account_id": account_id,
    }  # fmt: skip
    return [mac for (mac,) in _fetch(Sql.group_macs, parameters)]


def count_open(*, most: int) -> dict[str, int]:
    """Groups of dead letters and alarms that are open, counted no further than to `most`."""
    [row] = _fetch(Sql.open_counts, {"most": most})
    return dict(zip(("dead_letters", "alarms"), row, strict=True))


def read_quarters(*, until: datetime) -> list[LedgerQuarter]:
    """Those of the 24 hours until then that have any messages, the oldest first."""
    since = until - timedelta(hours=24)
    return list(LedgerQuarter.objects.filter(start__gt=since, start__lte=until).order_by("start"))


def _lock(cursor: Any) -> None:
    """One at a time, until the transaction ends: a group that two inserted would stop one."""
    lock_transaction(cursor, Lock.GROUPS)


def _fetch(statement: str, parameters: dict[str, Any] | None = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or {})
        return list(cursor.fetchall())
