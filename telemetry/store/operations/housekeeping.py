"""Old rows: fold the ledger into daily sums, delete old runs of tasks and changes of the fleet."""

from datetime import datetime
from typing import Any, LiteralString

from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    fold_ledger: LiteralString


RUNS_A_TASK = 10_000


def fold_ledger(connection: Connection, *, before: datetime, pending: list[str]) -> int:
    """Fold ledger rows stored before `before` into daily sums; how many batches. `pending`: ids of
    batches that are not finished."""
    stems = sorted({batch_id.partition(".")[0] for batch_id in pending})
    row: Any = connection.execute(Sql.fold_ledger, {"before": before, "stems": stems}).fetchone()
    return int(row[0])


def purge_registry_changes(connection: Connection) -> int:
    """Delete changes of the fleet that every worker has seen or will not need; how many."""
    return connection.execute(
        "DELETE FROM registry_change WHERE changed_at < now() - interval '1 day'"
    ).rowcount


def purge_task_history(connection: Connection, *, keep_days: int) -> int:
    """Delete runs older than `keep_days`, and the oldest of a task that has too many; how many."""
    return connection.execute(
        "DELETE FROM task_history WHERE started_at < now() - make_interval(days => %(days)s) "
        "OR id IN (SELECT id FROM (SELECT id, row_number() OVER "
        "(PARTITION BY task ORDER BY started_at DESC, id DESC) AS number FROM task_history) n "
        "WHERE number > %(runs)s)",
        {"days": keep_days, "runs": RUNS_A_TASK},
    ).rowcount


def purge_alarm_deliveries(connection: Connection, *, keep_days: int) -> int:
    """Delete what was sent about alarms longer ago than `keep_days`; how many. What was given up
    stays until somebody sends it again."""
    return connection.execute(
        "DELETE FROM alarm_delivery WHERE sent_at < now() - make_interval(days => %s)", [keep_days]
    ).rowcount
