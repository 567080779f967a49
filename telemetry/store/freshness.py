"""Whether a page of an account would show something new.

One cheap question, which every open page asks every few seconds.
"""

from datetime import datetime

from msgspec import Struct

from telemetry.store.series import fetch_rows

SETTLE_S = 65
"""`last_seen` lags behind what was stored by up to PRESENCE_INTERVAL_S, which is at most 60."""
STEP_S = 4
"""While a gateway was heard this recently, readings count as new this often."""


class Freshness(Struct, frozen=True):
    """How far an account's data reached at the instant `at`, by the database's clock.

    `heard_at`: the newest message of any of its gateways. `refreshed_at`: when hours, days and
    months were brought up to date.
    """

    at: datetime
    heard_at: datetime | None
    online_count: int
    gateways_count: int
    refreshed_at: datetime | None
    alarms_changed_at: datetime | None

    def tag_aggregates(self) -> str:
        """Changes when figures of hours, days and months may."""
        return _write(self.refreshed_at)

    def tag_readings(self) -> str:
        """Changes when readings, presence or alarms may. Costs a false change every few seconds
        while messages come, and never hides a reading."""
        moving = ""
        if self.heard_at is not None and (self.at - self.heard_at).total_seconds() < SETTLE_S:
            moving = str(int(self.at.timestamp()) // STEP_S)
        heard, alarms = _write(self.heard_at), _write(self.alarms_changed_at)
        return f"{heard}.{moving}.{self.online_count}.{self.gateways_count}.{alarms}"


def read_freshness(account_id: int) -> Freshness:
    """The state of an account's data."""
    [row] = fetch_rows("freshness", {"account": account_id})
    return Freshness(*row)


def _write(at: datetime | None) -> str:
    return "" if at is None else f"{at.timestamp():.6f}"
