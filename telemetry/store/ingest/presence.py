"""`gateway.is_online` and `last_seen`: the only place that sets or resets them.

Workers set gateways online with each stored batch (`ingest/batch_store.py`), at most every few
seconds each. The task `mark_offline_gateways` (`workers/maintenance.py`) sets silent ones offline,
as of the instant that `telemetry/core/presence.py` chooses, and those whose last will says that
their connection broke.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    update_presence: LiteralString
    mark_offline: LiteralString
    active_gateways: LiteralString


class Presence:
    """What one worker process wrote of each gateway's presence, and when."""

    def __init__(self, *, interval_s: float) -> None:
        self._interval_s = interval_s
        self._written_at: dict[int, float] = {}

    def update(self, connection: Connection, seen: dict[int, datetime], *, now_s: float) -> None:
        """Set last_seen and is_online of the gateways in `seen` (id: UTC instant).

        One statement in key order; repeating it is safe. `now_s` is a monotonic clock.
        """
        due = {
            gateway_id: seen_at
            for gateway_id, seen_at in sorted(seen.items())
            if now_s - self._written_at.get(gateway_id, -self._interval_s) >= self._interval_s
        }
        if not due:
            return
        connection.execute(
            Sql.update_presence,
            {
                "gateway_ids": list(due),
                "seen_ats": list(due.values()),
                "interval_s": self._interval_s,
            },
        )
        for gateway_id in due:
            self._written_at[gateway_id] = now_s


def mark_online(connection: Connection, said: Mapping[str, datetime]) -> None:
    """Gateways (by MAC) said that they are connected: they were heard of then."""
    gateways: Any = connection.execute(Sql.active_gateways, {"macs": list(said)}).fetchall()
    seen = {gateway_id: said[mac] for gateway_id, mac in gateways}
    Presence(interval_s=0).update(connection, seen, now_s=0)


def mark_offline(
    connection: Connection,
    *,
    at: datetime,
    offline_after_s: int,
    gone: Mapping[str, datetime] | None = None,
) -> int:
    """Set gateways offline that were silent at `at` (UTC), with an event each; how many. `gone`:
    those whose connection broke (MAC: when), unless they were heard of since."""
    gone = gone or {}
    values = {
        "at": at,
        "offline_after_s": offline_after_s,
        "macs": list(gone),
        "gone_ats": list(gone.values()),
    }
    row: Any = connection.execute(Sql.mark_offline, values).fetchone()
    return int(row[0])
