"""A device's history in an account: its rejected readings."""

from datetime import datetime
from typing import LiteralString

from msgspec import Struct

from telemetry.core.reasons import Reason
from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import fetch_rows


class Sql(Queries):
    device_dead_letters: LiteralString


MOST_CANDIDATES = 5_000


class RejectedReading(Struct, frozen=True):
    """A pending dead letter of one reading."""

    id: int
    reason: str
    detail: str
    last_seen: datetime
    occurrences: int

    @property
    def is_conflict(self) -> bool:
        """Whether another value is stored for its instant."""
        return self.reason == Reason.CONFLICTING_READING


def read_rejected(account_id: int, *, mac: str, code: str, most: int) -> list[RejectedReading]:
    """The newest dead letters of a device that are pending, by its gateway's MAC and its code."""
    parameters = {
        "account": account_id, "mac": mac, "code": code, "rows": most, "most": MOST_CANDIDATES,
    }  # fmt: skip
    return [RejectedReading(*row) for row in fetch_rows(Sql.device_dead_letters, parameters)]
