"""How far back the newest readings reach, found without reading older ones.

There is no index by account: it cost a third of the database's work for each reading. A list looks
back over a minute, an hour, a day, until it has enough rows.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import LiteralString

from django.db import connection

from telemetry.store.db.sql import Queries


class Sql(Queries):
    recent_readings: LiteralString


SPANS = tuple(
    timedelta(**span)
    for span in (
        {"minutes": 1}, {"minutes": 10}, {"hours": 1}, {"hours": 6}, {"days": 1}, {"days": 7},
        {"days": 31},
    )
)  # fmt: skip


def find_recent_span(
    *, rows: int, longest: timedelta, device_ids: Sequence[int] | None = None
) -> timedelta:
    """The shortest span up to now in which there are `rows` readings, `longest` at most.

    Of the devices named, or of all. Readings of the future count. Raises `django.db.DatabaseError`.
    """
    ids = None if device_ids is None else list(device_ids)
    with connection.cursor() as cursor:
        for span in SPANS:
            if span >= longest:
                break
            parameters = {"rows": rows, "span_s": span.total_seconds(), "device_ids": ids}
            cursor.execute(Sql.recent_readings, parameters)
            found = cursor.fetchone()
            if found and found[0] >= rows:
                return span
    return longest
