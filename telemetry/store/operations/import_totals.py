"""Totals of one import, from the ledger."""

from typing import Any, LiteralString

from msgspec import Struct

from telemetry.core.outcome import Counts
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    sum_import: LiteralString
    import_reasons: LiteralString


class ImportTotals(Struct, frozen=True):
    """Sums over the batches of an import. `seconds`: from the first received to the last stored.

    `reasons` add up to the dead letters, unless some existed before or came several times.
    """

    batches: int
    counts: Counts
    reasons: dict[str, int]
    seconds: float


def read_import_totals(connection: Connection, prefix: str) -> ImportTotals:
    """The totals of the batches whose ids begin with `prefix`. Raises `psycopg.Error`."""
    row: Any = connection.execute(Sql.sum_import, {"prefix": prefix}).fetchone()
    reasons: Any = connection.execute(Sql.import_reasons, {"prefix": prefix}).fetchall()
    return ImportTotals(row[0], Counts(*row[1:10]), dict(reasons), row[10])
