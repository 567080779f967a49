"""Until when gateways were an account's: the next assignment may be another account's."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from telemetry.store.db.account_scope import look_beyond

ENDS = """
SELECT a.id, (
    SELECT min(n.since) FROM assignment n
    WHERE n.gateway_id = a.gateway_id AND n.since > coalesce(a.since, '-infinity'))
FROM assignment a WHERE a.account_id = %(account)s AND a.id = ANY(%(ids)s)
"""


def find_ends(account_id: int, ids: Iterable[int]) -> dict[int, datetime | None]:
    """Until when, by the id of the account's assignment; None: it has the gateway now."""
    with look_beyond(), connection.cursor() as cursor:
        cursor.execute(ENDS, {"account": account_id, "ids": list(ids)})
        return dict(cursor.fetchall())
