"""The scheduled refresh: the hour that is going on is read in pieces, with pauses between them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from telemetry.core.consumption import Meter, Value
from telemetry.store.aggregates import throttle as pacing
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.aggregates.throttle import BUDGET_S, PAUSES, PIECE_DEVICES, Throttle
from telemetry.store.db.connection import Connection
from tests.consumption import Site, put, register

MINUTE = timedelta(minutes=1)
FIGURES = (
    "SELECT * FROM hourly_aggregate ORDER BY device_id, hour",
    "SELECT * FROM hourly_consumption ORDER BY device_id, hour",
    "SELECT device_id, day, total, readings_count FROM daily_aggregate ORDER BY device_id, day",
)


def read_figures(connection: Connection) -> list[list[Any]]:
    return [connection.execute(statement).fetchall() for statement in FIGURES]


def receive(connection: Connection, sites: list[Site]) -> None:
    """Two readings of each device in this hour, the one before, two days ago, and one ahead."""
    now = datetime.now(UTC)
    ages = (
        timedelta(),
        MINUTE,
        60 * MINUTE,
        61 * MINUTE,
        2880 * MINUTE,
        2881 * MINUTE,
        -65 * MINUTE,
    )
    for place, site in enumerate(sites):
        values = [Value(now - age, Decimal(1000 * place) - age.seconds) for age in ages]
        put(connection, [(site, value) for value in values])


@pytest.mark.integration
def test_it_comes_to_the_same_figures(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = register(connection, Meter("delta"))
    others = ("cumulative", "gauge", "cumulative")
    sites = [first, *(register(connection, Meter(each), beside=first) for each in others)]
    receive(connection, sites)
    monkeypatch.setattr(pacing, "PIECE_DEVICES", 1)
    pauses: list[float] = []
    refresh_aggregates(connection, throttle=Throttle(sleep=pauses.append))
    paced = read_figures(connection)
    assert len(pauses) >= 3
    connection.execute(
        "INSERT INTO dirty_hour (hour, device_ids)"
        " SELECT date_trunc('hour', time - interval '1 microsecond'),"
        " array_agg(DISTINCT device_id) FROM reading GROUP BY 1"
    )
    refresh_aggregates(connection)
    assert paced == read_figures(connection)
    assert all(paced)


def test_it_rests_for_as_long_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, pauses = 0.0, []

    def sleep(seconds: float) -> None:
        nonlocal now_s
        pauses.append(seconds)
        now_s += seconds

    monkeypatch.setattr(pacing.time, "monotonic", lambda: now_s)
    throttle, seen = Throttle(sleep=sleep), []
    for _ in throttle.split(range(2 * PIECE_DEVICES)):
        now_s += 0.125
    assert pauses == [PAUSES * 0.125]  # no longer, though there is more left
    throttle, seen, pauses = Throttle(sleep=sleep), [], []
    for piece in throttle.split(range(6 * PIECE_DEVICES)):
        seen += piece
        now_s += 0.375
    assert seen == list(range(6 * PIECE_DEVICES))
    assert pauses == [BUDGET_S / 5] * 5
    assert list(throttle.split(range(PIECE_DEVICES))) == [list(range(PIECE_DEVICES))]
    assert list(throttle.split([])) == []
