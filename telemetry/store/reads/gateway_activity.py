"""What pages show of gateways beside their rows: presence over a period, pending dead letters."""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import LiteralString

from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import MOST_ROWS, fetch_rows


class Sql(Queries):
    presence_spans: LiteralString
    pending_dead_letters: LiteralString


MICROSECOND = timedelta(microseconds=1)
MOST_DEAD_LETTERS = 1_000
"""Dead letters of a gateway are counted no further."""


class Span(Struct, frozen=True):
    """A stretch, [start, end), in which a gateway was online, or was not."""

    is_online: bool
    start: datetime
    end: datetime


def read_presence(gateway_id: int, *, since: datetime, until: datetime) -> list[Span]:
    """The gateway's spans of the period, in order; from its first event when that is later.

    Of a gateway that came and went more than 5,000 times, the latest. It is the caller's to see
    that the gateway is the account's.
    """
    parameters = {"gateway": gateway_id, "since": since, "until": until, "rows": MOST_ROWS}
    rows = fetch_rows(Sql.presence_spans, parameters)
    return [Span(kind == "online", start, end) for kind, start, end in rows]


def measure_uptime(spans: Collection[Span]) -> Decimal | None:
    """The share of the spans' time in which it was online; None when there is none."""
    total = sum((span.end - span.start for span in spans), timedelta())
    online = sum((span.end - span.start for span in spans if span.is_online), timedelta())
    if not total:
        return None
    return Decimal(online // MICROSECOND) / Decimal(total // MICROSECOND)


def count_pending_dead_letters(account_id: int, *, macs: Collection[str]) -> dict[str, int]:
    """Pending dead letters by MAC, where there are any; counted up to `MOST_DEAD_LETTERS`."""
    parameters = {"account": account_id, "macs": sorted(macs), "most": MOST_DEAD_LETTERS}
    return dict(fetch_rows(Sql.pending_dead_letters, parameters))
