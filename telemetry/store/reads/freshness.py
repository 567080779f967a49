"""Whether a page of an account would show something new.

One cheap question, which every open page asks every few seconds.
"""

from datetime import datetime
from typing import LiteralString

from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import fetch_rows


class Sql(Queries):
    freshness: LiteralString


SETTLE_S = 65
"""`last_seen` lags behind what was stored by up to PRESENCE_INTERVAL_S, which is at most 60."""
STEP_S = 4
"""While a gateway was heard this recently, readings count as new this often."""


class Freshness(Struct, frozen=True):
    """How far an account's data reached at the instant `at`, by the database's clock.

    `heard_at`: the newest message of any of its gateways. `refreshed_at`: up to
    when hours, days and months are known, the begin of the last refresh.
    """

    at: datetime
    heard_at: datetime | None
    online_count: int
    gateways_count: int
    refreshed_at: datetime | None
    alarms_changed_at: datetime | None

    @property
    def is_moving(self) -> bool:
        """Whether messages may have come until a moment ago."""
        return self.heard_at is not None and (self.at - self.heard_at).total_seconds() < SETTLE_S

    @property
    def newest_at(self) -> datetime:
        """Where the newest readings are to be expected."""
        return self.at if self.is_moving or self.heard_at is None else self.heard_at

    def tag_aggregates(self) -> str:
        """Changes when values of hours, days and months may."""
        return _write(self.refreshed_at)

    def tag_readings(self) -> str:
        """Changes when readings, presence, alarms or findings may. Costs a false change every few
        seconds while messages come, and never hides a reading."""
        moving = str(int(self.at.timestamp()) // STEP_S) if self.is_moving else ""
        heard, alarms = _write(self.heard_at), _write(self.alarms_changed_at)
        return f"{heard}.{moving}.{self.online_count}.{self.gateways_count}.{alarms}"


def read_freshness(account_id: int) -> Freshness:
    """The state of an account's data."""
    [row] = fetch_rows(Sql.freshness, {"account": account_id})
    return Freshness(*row)


def _write(at: datetime | None) -> str:
    return "" if at is None else f"{at.timestamp():.6f}"
