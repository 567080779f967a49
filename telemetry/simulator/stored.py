"""Count what a simulated run left in the database."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, LiteralString

from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    simulated_rows: LiteralString
    simulated_dead_letters: LiteralString


def count_rows(
    connection: Connection, device_ids: Iterable[int], *, first: datetime, last: datetime
) -> dict[int, int]:
    """Readings by device with timestamps from `first` to `last`."""
    rows: list[Any] = connection.execute(
        Sql.simulated_rows, {"device_ids": sorted(device_ids), "first": first, "last": last}
    ).fetchall()
    return dict(rows)


def count_dead_letters(
    connection: Connection,
    *,
    mark: bytes,
    macs: Iterable[str],
    since: datetime,
    first: datetime,
    last: datetime,
) -> dict[str, int]:
    """Dead letters by reason, seen since then, that a run caused.

    Their payload holds `mark`; or they are conflicts of the gateways `macs` at times from `first`
    to `last`.
    """
    parameters = {"mark": mark, "macs": list(macs), "since": since, "first": first, "last": last}
    rows: list[Any] = connection.execute(Sql.simulated_dead_letters, parameters).fetchall()
    return dict(rows)
