"""Which readings are the newest of all, found through the index of each account."""

from datetime import datetime

from django.db import connection

from telemetry.store.queries import query


def find_recent_since(*, rows: int) -> tuple[list[int], datetime | None]:
    """Accounts and the earliest time of the newest `rows` readings; no time when there are none."""
    with connection.cursor() as cursor:
        cursor.execute(query("recent_readings"), {"rows": rows})
        found = cursor.fetchone()
    return (found[0] or [], found[1]) if found else ([], None)
