"""What comes to an hour after all that it had is added to what is kept of it; anything else has the
hour read again. The hour's row is falsified first: what is added to it keeps the fault, and what is
read again has none."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from telemetry.core.registers import Value
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.aggregates.throttle import Throttle
from telemetry.store.db.connection import Connection
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import (
    Meter,
    Site,
    expect_figures,
    put,
    read,
    read_figures,
    register,
)

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
FAULT = 1_000_000


def make(*found: tuple[float, float]) -> list[Value]:
    return [Value(START + timedelta(minutes=minute), Decimal(str(v))) for minute, v in found]


def falsify(connection: Connection, site: Site) -> None:
    """Its hour at START: the least value, or the total; what the register had at first."""
    column = "minimum" if site.meter.measurement == "gauge" else "total"
    hour = [FAULT, START, site.device_id]
    connection.execute(
        f"UPDATE hourly_aggregate SET {column} = {column} - %s WHERE hour = %s AND device_id = %s",
        hour,
    )
    connection.execute(
        "UPDATE hourly_consumption SET within = within + %s, first = first - 9"
        " WHERE hour = %s AND device_id = %s",
        hour,
    )


def is_read_again(connection: Connection, site: Site, found: list[Value]) -> bool:
    """Whether nothing of the fault is left."""
    figures, expected = read_figures(connection, site), expect_figures(site, found)
    return bool(figures == expected)


METERS = [
    Meter("delta"),
    Meter("delta", factor=Decimal("0.25")),
    Meter("cumulative"),
    Meter("cumulative", factor=Decimal("2.5")),
    Meter("gauge"),
]


@pytest.mark.parametrize("meter", METERS, ids=lambda one: f"{one.measurement} {one.factor}")
@pytest.mark.parametrize("is_throttled", [False, True])
def test_it_adds_what_comes_later(connection: Connection, meter: Meter, is_throttled: bool) -> None:
    if not is_apache(connection) and meter.measurement == "gauge":
        return  # TimescaleDB computes it
    site = register(connection, meter)
    found = make((-90, 1), (1, 5), (2.5, 7), (30, 9))
    throttle = Throttle(sleep=lambda _: None)
    throttle.hour = START
    used = throttle if is_throttled else None
    for reading in found:  # each after the one before
        put(connection, [(site, reading)])
        refresh_aggregates(connection, throttle=used)
        assert is_read_again(connection, site, found[: found.index(reading) + 1])
    falsify(connection, site)
    found += make((30.002, 11), (60, 13))
    put(connection, [(site, reading) for reading in found[-2:]])
    refresh_aggregates(connection, throttle=used)
    assert not is_read_again(connection, site, found)
    found += make((29.5, 8))
    put(connection, [(site, found[-1])])
    refresh_aggregates(connection, throttle=used)
    assert is_read_again(connection, site, found)
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)


def test_it_reads_a_register_again_that_falls(connection: Connection) -> None:
    site = register(connection, Meter("cumulative"))
    found = make((1, 50), (2, 60))
    put(connection, [(site, reading) for reading in found])
    refresh_aggregates(connection)
    falsify(connection, site)
    found += make((3, 10), (4, 20))
    put(connection, [(site, reading) for reading in found[-2:]])
    refresh_aggregates(connection)
    assert is_read_again(connection, site, found)
    found += make((5, 61))  # what fell was a dip: counted reading by reading again
    put(connection, [(site, found[-1])])
    refresh_aggregates(connection)
    assert is_read_again(connection, site, found)


def test_what_is_told_with_a_reading_counts_for_its_device_alone(connection: Connection) -> None:
    one = register(connection, Meter("delta"))
    other = register(connection, Meter("delta"), beside=one)
    found: dict[Site, list[Value]] = {one: make((1, 5)), other: make((20, 6))}
    put(connection, [(site, reading) for site in found for reading in found[site]])
    refresh_aggregates(connection)
    falsify(connection, one)
    added = make((10, 7))
    put(connection, [(one, added[0]), (other, added[0])])  # late for one of them
    refresh_aggregates(connection)
    assert not is_read_again(connection, one, found[one] + added)
    assert is_read_again(connection, other, found[other] + added)


def test_an_hour_is_read_again_that_may_have_changed_anywhere(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    found = make((1, 5))
    put(connection, [(site, found[0])])
    refresh_aggregates(connection)
    falsify(connection, site)
    connection.execute(
        "INSERT INTO dirty_hour (hour, device_ids) VALUES (%s, %s)", [START, [site.device_id]]
    )
    found += make((2, 6))
    put(connection, [(site, found[-1])])
    refresh_aggregates(connection)
    assert is_read_again(connection, site, found)


def test_all_rows_of_an_hour_are_taken_together(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from telemetry.store.aggregates import refresh

    monkeypatch.setattr(refresh, "DIRTY_ROWS_A_STEP", 2)
    site = register(connection, Meter("delta"))
    for reading in make((1, 5), (2, 5), (3, 5), (70, 5), (130, 5), (131, 5)):
        put(connection, [(site, reading)])
    steps: list[int] = []
    refresh_aggregates(connection, progress=steps.append)
    assert steps == [3]  # and then the other two hours, in the last step


def is_apache(connection: Connection) -> bool:
    rows: Any = read(connection, "SELECT 1 FROM pg_class WHERE relname = 'hourly_bucket'")
    return not rows
