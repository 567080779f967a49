"""The newest readings of an account. There is no index by account (telemetry/DECISIONS.md, 25)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import LiteralString

from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import fetch_rows


class Sql(Queries):
    latest_readings: LiteralString


MOST_LATEST = 100
CANDIDATES = 400
"""Devices that are read, of the gateways heard last: in a larger account, readings of others in the
same seconds may be missing."""
SPANS = (timedelta(days=1), timedelta(days=31))
"""How far back readings are read; further only when there are too few."""


class LatestReading(Struct, frozen=True):
    """A reading of a device of the account."""

    device_id: int
    time: datetime
    received_at: datetime
    value: Decimal
    unit: str


def read_latest(
    account_id: int, *, most: int, now: datetime, device_ids: Sequence[int] | None = None
) -> list[LatestReading]:
    """The `most` (at most 100) newest readings of 31 days, newest first.

    Of the devices named, or of all that are the account's today.
    """
    latest: list[LatestReading] = []
    most = min(most, MOST_LATEST)
    parameters = {
        "account": account_id,
        "devices": None if device_ids is None else list(device_ids),
        "candidates": CANDIDATES,
        "rows": most,
    }
    for span in SPANS:
        rows = fetch_rows(Sql.latest_readings, {**parameters, "since": now - span})
        latest = [LatestReading(*row) for row in rows]
        if len(latest) >= most:
            break
    return latest
