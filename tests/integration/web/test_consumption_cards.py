"""What the cards of the overview compare equals plain SQL over the raw readings."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.consumption import Meter, Value
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.web.charts.calendar import Calendar
from telemetry.web.overview.consumption import Compared, read_consumption
from tests.consumption import Site, put, read, register
from tests.random_cases import random_cases

pytestmark = pytest.mark.integration

# The hour at which a change of clocks lies between the two parts, half hours, a short month before.
PLACES = (
    ("America/New_York", datetime(2026, 11, 3, tzinfo=UTC)),
    ("Europe/Lisbon", datetime(2026, 3, 30, tzinfo=UTC)),
    ("Atlantic/Azores", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 20, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2027, 3, 31, 3, tzinfo=UTC)),
)
TOTAL = """
SELECT sum(value) FROM reading
WHERE account_id = %s AND device_id = %s AND ({})
"""
DAY = "((time - interval '1 microsecond') AT TIME ZONE %s)::date"

hours_ago = st.integers(0, 64 * 24 * 4).map(lambda quarters: timedelta(minutes=15 * quarters))
values = st.integers(-(10**6), 10**9).map(lambda whole: Decimal(whole) / 10_000)
series = st.dictionaries(hours_ago, values, max_size=60)


def ask(connection: Connection, site: Site, where: str, *given: Any) -> Decimal | None:
    [[total]] = read(connection, TOTAL.format(where), site.account_id, site.device_id, *given)
    return None if total is None else Decimal(total)


@random_cases(12)
@given(data=st.data())
def test_it_compares_what_plain_sql_says_of_the_same_parts(
    connection: Connection, data: Any
) -> None:
    shown = []
    for zone, start in PLACES:
        site = register(
            connection, Meter("delta"), zone=zone, billing_day=data.draw(st.integers(1, 31))
        )
        now = start + timedelta(minutes=data.draw(st.integers(0, 1_440)))
        found = [Value(now - ago, value) for ago, value in data.draw(series).items()]
        put(connection, [(site, reading) for reading in found])
        shown.append((site, now))
    refresh_aggregates(connection)
    for site, now in shown:
        calendar = Calendar(ZoneInfo(site.zone), site.billing_day)
        consumption = read_consumption(
            site.account_id, calendar=calendar, now=now, refreshed_at=now
        )
        part, before, zone = consumption.part, consumption.before, site.zone
        week = consumption.week
        # A day that begins at half past: its first whole hour may not have begun.
        assert part.since <= part.until <= max(part.since, now)
        assert before.day < part.day
        [cards] = consumption.cards or [None]
        whole_day, days = f"{DAY} = %s", f"{DAY} >= %s AND {DAY} < %s"
        hours = "time > %s AND time <= %s"
        found_today = ask(connection, site, whole_day, zone, part.day)
        for card, expected in (
            (
                cards and cards.today,
                (
                    found_today,
                    ask(connection, site, hours, part.since, part.until),
                    ask(connection, site, hours, week.since, week.until),
                ),
            ),
            (
                cards and cards.month,
                (
                    ask(connection, site, f"{DAY} >= %s AND {DAY} <= %s",
                        zone, part.month, zone, part.day),
                    ask(connection, site, f"({days}) OR ({hours})",
                        zone, part.month, zone, part.day, part.since, part.until),
                    ask(connection, site, f"({days}) OR ({hours})",
                        zone, before.month, zone, before.day, before.since, before.until),
                ),
            ),
        ):  # fmt: skip
            assert show(card) == tuple(figure or 0 for figure in expected), (site, now)


def show(card: Compared | None) -> tuple[Decimal, Decimal, Decimal]:
    if card is None:
        return Decimal(), Decimal(), Decimal()
    return card.total, card.part, card.before or Decimal()


def test_it_keeps_units_apart_and_says_when_nothing_was_read_before(
    connection: Connection,
) -> None:
    now = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
    site = register(connection, Meter("delta"))
    water, gauge = (
        register(connection, Meter(kind), beside=site) for kind in ("cumulative", "gauge")
    )  # type: ignore[arg-type]
    for place, unit in ((site, "kWh"), (water, "m3"), (gauge, "kWh")):
        connection.execute("UPDATE device SET unit = %s WHERE id = %s", [unit, place.device_id])
    month = timedelta(days=31)
    put(
        connection,
        [
            (site, Value(now - timedelta(hours=3), Decimal(5))),
            (site, Value(now, Decimal(2))),
            (site, Value(now - timedelta(hours=3) - month, Decimal(4))),
            (site, Value(now - month + timedelta(days=3), Decimal(90))),
            (site, Value(now - timedelta(days=7, hours=3), Decimal(6))),
            (water, Value(now - timedelta(days=2), Decimal(10))),
            (water, Value(now - timedelta(hours=3), Decimal(13))),
            (gauge, Value(now - timedelta(hours=3), Decimal(1000))),
        ],
    )
    refresh_aggregates(connection)
    consumption = read_consumption(
        site.account_id, calendar=Calendar(ZoneInfo("UTC"), 1), now=now, refreshed_at=now
    )
    assert [cards.today for cards in consumption.cards] == [
        Compared("kWh", Decimal(7), Decimal(5), Decimal(6)),
        Compared("m3", Decimal(3), Decimal(3), None),
    ]
    assert [cards.month for cards in consumption.cards] == [
        Compared("kWh", Decimal(13), Decimal(11), Decimal(4)),
        Compared("m3", Decimal(3), Decimal(3), None),
    ]
    assert (consumption.part.until.hour, consumption.before.day.isoformat()) == (12, "2026-10-28")
    assert consumption.week.day.isoformat() == "2026-11-21"
    assert [cards.month_before for cards in consumption.cards] == [Decimal(94), None]
    assert [cards.projected for cards in consumption.cards] == [None, None], "no whole week"
