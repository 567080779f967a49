"""Exports: every reading once, in pieces of a bounded size, within a bounded number at a time."""

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connections
from django.test import Client

from telemetry.api.reading_stream import ROWS_A_PIECE, find_slots, render_csv
from telemetry.models import Account, Device, User
from telemetry.store.db.connection import Connection
from telemetry.store.reads.reading_pages import ReadingWalk
from tests.integration.api.conftest import Get, read_problem

pytestmark = pytest.mark.integration

ROWS = 300_000
SEPTEMBER = {"since": "2026-09-01T00:00:00Z", "until": "2026-10-01T00:00:00Z"}
FILL = """
INSERT INTO reading (device_id, time, value, received_at, unit, account_id, gateway_id)
SELECT d.id, '2026-09-01Z'::timestamptz + n * interval '8 seconds', n, now(), 'k"W,h', d.account_id,
    d.gateway_id
FROM (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place FROM device LIMIT 7) d,
    generate_series(0, %s - 1) n
WHERE n %% 7 = d.place
"""


@pytest.fixture(scope="module")
def filled(seeded: Connection, own: Account) -> Iterator[int]:
    """300,000 readings of the own account's devices and of foreign ones; how many are its own."""
    seeded.execute(FILL, [ROWS])
    row: Any = seeded.execute(
        "SELECT count(*) FROM reading WHERE account_id = %s AND time < '2026-10-01Z'", [own.pk]
    ).fetchone()
    yield row[0]
    seeded.execute("DELETE FROM reading")


def test_it_exports_each_reading_once_in_pieces_of_one_size(
    filled: int, own: Account, get: Get
) -> None:
    response = get("/readings/export", **SEPTEMBER)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    name = f"readings-{own.pk}-20260901T000000Z-20261001T000000Z.csv"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    header, *pieces = response.streaming_content
    response.close()
    assert header == b"time,device_id,gateway_id,value,unit,received_at\r\n"
    assert len(pieces) == 1 + filled // ROWS_A_PIECE
    assert max(map(len, pieces)) < 200 * ROWS_A_PIECE
    lines = b"".join(pieces).splitlines()
    assert len(lines) == filled
    keys = [line[:22] for line in lines]
    assert keys == sorted(set(keys))


def test_it_writes_csv_that_programs_read(filled: int, get: Get) -> None:
    period = {"since": "2026-09-01T00:00:00Z", "until": "2026-09-01T01:00:00Z"}
    text = get("/readings/export", **period).getvalue().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert (rows[0]["time"], rows[0]["value"]) == ("2026-09-01T00:00:00Z", "0")
    assert {row["unit"] for row in rows} == {'k"W,h'}


def test_it_lets_no_unit_become_a_formula() -> None:
    row = (0, 1, 2, Decimal(-5), "=1;@SUM", 0)
    assert render_csv([row]) == b"1970-01-01T00:00:00Z,1,2,-5,'=1;'@SUM,1970-01-01T00:00:00Z\r\n"


def test_it_exports_the_same_lines_as_the_list_gives_items(filled: int, get: Get) -> None:
    device = Device.objects.order_by("pk")[0]
    period = {"since": "2026-09-01T00:00:00Z", "until": "2026-09-01T12:00:00Z"}
    response = get("/readings/export", **period, device_id=device.pk, format="ndjson")
    assert response.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.getvalue().splitlines()]
    listed = get("/readings", **period, device_id=device.pk, order="oldest", limit=1_000).json()
    assert lines == listed["items"]
    assert len(lines) > 100


def test_it_keeps_nothing_of_the_pieces_that_were_sent(filled: int, get: Get) -> None:
    response = get("/readings/export", **SEPTEMBER)
    stream = iter(response.streaming_content)
    _, piece = next(stream), next(stream)
    tracemalloc.start()
    for _ in range(8):
        assert next(stream)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    response.close()
    assert held < len(piece)
    assert peak < 20 * len(piece)  # the rows of one piece, and its text


def test_it_holds_no_transaction_and_no_cursor_between_pieces(
    filled: int, seeded: Connection, get: Get
) -> None:
    response = get("/readings/export", **SEPTEMBER)
    stream = iter(response.streaming_content)
    next(stream), next(stream)
    pid = connections["default"].connection.info.backend_pid
    row: Any = seeded.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
    assert row[0] == "idle"
    response.close()


def test_it_sends_no_more_exports_at_a_time_than_are_set(filled: int, get: Get) -> None:
    most = settings.OPTIONS.api.exports_at_once
    under_way = [get("/readings/export", **SEPTEMBER) for _ in range(most)]
    refused = get("/readings/export", **SEPTEMBER)
    problem = read_problem(refused, status=503)
    assert problem["type"].endswith(":unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    for response in under_way:
        response.close()  # before the first piece, as when a client goes away
        response.close()
    again = get("/readings/export", **SEPTEMBER)
    assert again.status_code == 200
    again.close()
    assert find_slots()._value == most  # type: ignore[attr-defined]


def test_it_breaks_off_when_the_database_fails_midway(
    filled: int, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = get("/readings/export", **SEPTEMBER)
    stream = iter(response.streaming_content)
    next(stream)

    def fail(*_: Any, **__: Any) -> Any:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(ReadingWalk, "_fetch", fail)
    with pytest.raises(OperationalError):
        next(stream)
    response.close()


def test_it_answers_head_without_reading_anything(
    filled: int, api: Client, own: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(ReadingWalk, "read_page")
    response = api.head(f"/api/v1/accounts/{own.pk}/readings/export", SEPTEMBER)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    response.close()


def test_it_writes_a_header_when_there_is_nothing(own: Account, member: User, get: Get) -> None:
    empty = {"since": "2020-01-01T00:00:00Z", "until": "2020-12-01T00:00:00Z"}
    assert get("/readings/export", **empty).getvalue() == (
        b"time,device_id,gateway_id,value,unit,received_at\r\n"
    )
    assert get("/readings/export", **empty, format="ndjson").getvalue() == b""


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"format": "xlsx"}, "format"),
        ({"since": "2024-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "since"),
        ({"limit": "5"}, "limit"),
    ],
)
def test_it_refuses_before_the_first_byte(get: Get, parameters: Any, name: str) -> None:
    [error] = read_problem(get("/readings/export", **parameters), status=422)["errors"]
    assert error["name"] == name
