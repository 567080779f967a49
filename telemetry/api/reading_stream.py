"""Readings as a stream of CSV or NDJSON: in the memory of one piece, however many they are.

Each piece is a page of its own (`ReadingWalk`): no transaction or cursor is held while a slow
client reads, so an export never keeps readings from being dropped or compressed. When the database
fails midway, the connection ends without the last chunk: the client sees that it is not whole.
"""

import csv
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cache

import msgspec
from django.conf import settings
from django.utils.translation import gettext_noop

from telemetry.api.problems import UNAVAILABLE, ProblemError
from telemetry.api.values import EARLIEST
from telemetry.core.formulas import disarm
from telemetry.core.numbers import write_number
from telemetry.store.reads.reading_pages import ReadingWalk, Row

ROWS_A_PIECE = 2_000
COLUMNS = ("time", "device_id", "gateway_id", "value", "unit", "received_at")
CSV_HEADER = (",".join(COLUMNS) + "\r\n").encode()

_EPOCH = EARLIEST.replace(tzinfo=None)

Render = Callable[[Sequence[Row]], bytes]


class ReadingStream(Iterator[bytes]):
    """The pieces of an export. It holds a slot of the process until it ends or is closed."""

    def __init__(self, walk: ReadingWalk, *, first: bytes, render: Render) -> None:
        self._walk, self._first, self._render = walk, first, render
        self._slots = find_slots()
        self._is_open = self._slots.acquire(blocking=False)
        if not self._is_open:
            raise ProblemError(
                UNAVAILABLE,
                gettext_noop(
                    "As many exports as this server sends at a time are under way: try again later."
                ),
                headers={"Retry-After": "15"},
            )

    def __next__(self) -> bytes:
        if self._first:
            piece, self._first = self._first, b""
            return piece
        rows = self._walk.read_page(ROWS_A_PIECE)
        if not rows:
            self.close()
            raise StopIteration
        return self._render(rows)

    def close(self) -> None:
        """Give the slot back. Django calls it too, when a response ended in whatever way."""
        if self._is_open:
            self._is_open = False
            self._slots.release()


@cache
def find_slots() -> threading.Semaphore:
    """How many exports this process sends at a time: the other threads serve everybody else."""
    return threading.Semaphore(settings.OPTIONS.api.exports_at_once)


def render_csv(rows: Sequence[Row]) -> bytes:
    """Lines of CSV (RFC 4180). Units come from outside: none becomes a formula in a spreadsheet."""
    text = io.StringIO()
    csv.writer(text).writerows(
        (time, device_id, gateway_id, value, disarm(unit), received)
        for time, device_id, gateway_id, value, unit, received in map(_write_row, rows)
    )
    return text.getvalue().encode()


def render_ndjson(rows: Sequence[Row]) -> bytes:
    """Lines of JSON, each a reading as in the lists."""
    return msgspec.json.Encoder().encode_lines(
        [dict(zip(COLUMNS, _write_row(row), strict=True)) for row in rows]
    )


def _write_row(row: Row) -> tuple[str, int, int, object, str, str]:
    time_us, device_id, gateway_id, value, unit, received_us = row
    return (
        _write_micros(time_us), device_id, gateway_id, write_number(value), unit,
        _write_micros(received_us),
    )  # fmt: skip


def _write_micros(micros: int) -> str:
    """As `write_instant` does, several times as fast: an export is mostly this."""
    return f"{(_EPOCH + timedelta(microseconds=micros)).isoformat()}Z"
