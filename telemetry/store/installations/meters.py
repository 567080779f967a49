"""The meters at a device, in the form that core counts with."""

from datetime import datetime
from typing import Any, LiteralString

from telemetry.core.installations import Installation, Meter
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    read_meters: LiteralString


def list_meters(connection: Connection, device_id: int, *, until: datetime) -> list[Installation]:
    """The installations of a device that began until an instant, in order."""
    bounds = {"device_id": device_id, "until": until}
    rows: Any = connection.execute(Sql.read_meters, bounds).fetchall()
    return [Installation(Meter(*row[1:7]), row[0], *row[7:]) for row in rows]
