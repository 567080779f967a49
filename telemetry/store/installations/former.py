"""Until when a device was another account's."""

from datetime import datetime

from django.db import connection

from telemetry.store.db.account_scope import look_beyond

# The day bounds the walk back from the newest reading: a device may have millions of its own.
FORMER_END = """
SELECT max(time) FROM reading
WHERE device_id = %(device)s AND account_id <> %(account)s AND time < 3 + (
    SELECT max(day) FROM daily_aggregate
    WHERE device_id = %(device)s AND account_id <> %(account)s
)
"""


def find_former_end(account_id: int, *, device_id: int) -> datetime | None:
    """The last reading of the device that is another account's; None: all are this one's."""
    with look_beyond(), connection.cursor() as cursor:
        cursor.execute(FORMER_END, {"account": account_id, "device": device_id})
        row = cursor.fetchone()
    return None if row is None else row[0]
