"""Readings that a worker stored before it heard of a move of their gateway."""

from typing import Any, LiteralString

from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    find_moved: LiteralString
    follow_moves: LiteralString


def follow_moves(connection: Connection, dirty_ids: list[int]) -> int:
    """Give readings of dirty hours to the account that had the gateway at their time; how many. Of
    gateways that were changed within the last hour: of others, workers know the moves."""
    row: Any = connection.execute(Sql.find_moved, {"ids": dirty_ids}).fetchone()
    devices, since, until = row
    if not devices:
        return 0
    parameters = {"devices": devices, "since": since, "until": until}
    return connection.execute(Sql.follow_moves, parameters).rowcount
