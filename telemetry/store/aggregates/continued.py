"""Hours that go on: what came after the readings that they have is added to what is kept of them.

So a refresh of the hour in progress costs what is new, not what the hour holds. What comes before
the last reading of an hour, an edit, a change of meter or a move has the hour read as a whole.
"""

from typing import LiteralString

from telemetry.store.aggregates.spans import compute_span, list_spans
from telemetry.store.aggregates.throttle import Throttle
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    keep_hours: LiteralString
    keep_consumption: LiteralString
    read_added: LiteralString
    add_to_hours: LiteralString
    add_to_consumption: LiteralString
    keep_no_others: LiteralString


def continue_hours(connection: Connection, *, edition: str, throttle: Throttle | None) -> None:
    """Add what came to the affected hours that go on; only these keep a `known_until`."""
    is_apache = edition == "apache"
    keep = Sql.keep_hours if is_apache else Sql.keep_consumption
    if not connection.execute(keep).rowcount:
        return
    for start, end in list_spans(connection, is_continued=True):
        compute_span(connection, Sql.read_added, start, end, throttle=throttle, is_continued=True)
    if is_apache:
        connection.execute(Sql.add_to_hours)
    connection.execute(Sql.add_to_consumption)
    connection.execute(Sql.keep_no_others)
