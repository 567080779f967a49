"""Readings of an account's devices in the order of time, however many there are.

There is no index by account and time (telemetry/DECISIONS.md, 25): the order is made of the
devices' own index ranges, in windows of time that hold about what is asked for. Each window
says how wide the next one is; a silent night or a burst costs a few queries. A walk continues from
a key, `(time, device)`: rows that come meanwhile shift nothing, and nothing is held open between
two pages.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString, NamedTuple

from django.db import connection

from telemetry.store.db.sql import Queries


class Sql(Queries):
    readings_forward: LiteralString
    readings_backward: LiteralString


USUAL_INTERVAL_S = 60.0
"""A guess at how often a device sends, for the first window."""
SPARE = 1.25
GROWTH, SHRINKAGE = 6.0, 8.0
"""How much wider or narrower the next window may be."""
MOST_OF_A_PAGE = 8
"""The rows sorted at once are at most this many times the rows requested."""
EPOCH, INSTANT = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Row(NamedTuple):
    """A reading. Instants are microseconds since 1970."""

    time_us: int
    device_id: int
    gateway_id: int
    value: Decimal
    unit: str
    received_us: int

    @property
    def time(self) -> datetime:
        """When it was measured."""
        return EPOCH + self.time_us * INSTANT

    @property
    def received_at(self) -> datetime:
        """When it came in."""
        return EPOCH + self.received_us * INSTANT


class Key(NamedTuple):
    """The key of a reading."""

    time: datetime
    device_id: int


class ReadingWalk:
    """Readings in [since, until) of some devices of an account, from the oldest or the newest on.

    `device_ids` are ids of its devices; what they measured for another account before is left out.
    `newest_at`: where the newest ones are expected, which saves queries of silence; later ones are
    found as well. `start`: go on after this reading. Raises `django.db.DatabaseError`.
    """

    def __init__(
        self,
        account_id: int,
        *,
        device_ids: Sequence[int],
        since: datetime,
        until: datetime,
        newest_at: datetime,
        newest_first: bool = False,
        start: Key | None = None,
    ) -> None:
        self._account_id, self._device_ids = account_id, list(device_ids)
        self._since, self._until = since, until
        self._is_backward = newest_first
        self._pace_s = USUAL_INTERVAL_S / max(1, len(device_ids))
        self._ahead = (
            max(timedelta(), until - newest_at) if newest_first and not start else timedelta()
        )
        before = until if newest_first else since - INSTANT
        self._key = start or Key(before, 0)
        edge = self._begin_after(self._key)
        self._edge = min(edge, until) if newest_first else max(edge, since)
        self._is_over = not device_ids or self._is_at_end()
        self._is_at_reading = False

    def read_page(self, rows: int) -> list[Row]:
        """The next readings, up to the limit; fewer only at the end."""
        page: list[Row] = []
        while len(page) < rows and not self._is_over:
            page += self._read_window(rows - len(page))
        return page

    def _read_window(self, rows: int) -> list[Row]:
        """A part of a page, up to the limit; none says nothing about what comes after."""
        low, high = self._find_window(rows)
        most = max(MOST_OF_A_PAGE * rows, 2 * len(self._device_ids))
        found = self._fetch(low=low, high=high, rows=rows, most=most)
        if found and found[0][-1] >= most:
            self._narrow(low, high)
            return []
        part = [Row(*row[:-1]) for row in found]
        if len(part) == rows:
            self._key = Key(part[-1].time, part[-1].device_id)
            passed = abs(self._key.time - self._edge)
            self._edge = self._begin_after(self._key)
        else:
            passed = high - low
            self._edge = low if self._is_backward else high
            self._is_over = self._is_at_end()
        self._learn(passed, rows=len(part))
        return part

    def _find_window(self, rows: int) -> tuple[datetime, datetime]:
        """From the edge on, as wide as the wanted readings probably are."""
        span = timedelta(seconds=self._pace_s * rows * SPARE) + self._ahead
        span = min(max(span, INSTANT), self._until - self._since)
        if self._is_backward:
            return max(self._since, self._edge - span), self._edge
        return self._edge, min(self._until, self._edge + span)

    def _narrow(self, low: datetime, high: datetime) -> None:
        """The window holds too many to be sorted: begin at the first of them, and read less far."""
        self._pace_s = max(self._pace_s / SHRINKAGE, 1e-9)
        self._ahead = timedelta()
        if not self._is_at_reading:
            [first] = self._fetch(low=low, high=high, rows=1, most=len(self._device_ids))
            self._edge = self._begin_after(Key(Row(*first[:-1]).time, 0))
            self._is_at_reading = True

    def _learn(self, passed: timedelta, *, rows: int) -> None:
        """Learn from a window how much time one row takes."""
        seen_s = (passed - self._ahead).total_seconds() / max(1, rows)
        self._pace_s = min(max(seen_s, self._pace_s / SHRINKAGE), self._pace_s * GROWTH)
        self._ahead = timedelta()
        self._is_at_reading = False

    def _is_at_end(self) -> bool:
        return self._edge <= self._since if self._is_backward else self._edge >= self._until

    def _begin_after(self, key: Key) -> datetime:
        """The edge of a window that may hold what comes after a key."""
        return key.time + INSTANT if self._is_backward else key.time

    def _fetch(self, *, low: datetime, high: datetime, rows: int, most: int) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(
                Sql.readings_backward if self._is_backward else Sql.readings_forward,
                {
                    "account": self._account_id,
                    "devices": self._device_ids,
                    "low": low,
                    "high": high,
                    "at": self._key.time,
                    "device": self._key.device_id,
                    "rows": rows,
                    "most": most,
                },
            )
            return list(cursor.fetchall())
