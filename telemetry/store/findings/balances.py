"""Findings of main meters: billing months in which their parts contradict them.

Of virtual meters (`telemetry/core/virtual_meters.py`). Few rows: all open months of the last 400
days are looked at in each run.
"""

from datetime import datetime
from typing import LiteralString

from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    evaluate_balances: LiteralString


def evaluate_balances(connection: Connection, *, now: datetime) -> None:
    """Write what is found, and end what is right again."""
    connection.execute(Sql.evaluate_balances, {"now": now})
