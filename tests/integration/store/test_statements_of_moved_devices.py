"""Statements over moves of gateways: they add up in every zone, and show nothing of others."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from telemetry.core.consumption import Meter, Value
from telemetry.installations.own import hide_former, list_own
from telemetry.models import Account, Assignment, Device, Gateway, Installation
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.statement import read_statement
from telemetry.store.billing.statement_devices import StatementQuestion
from telemetry.store.db.connection import Connection
from tests.consumption import Site, put, read, register

pytestmark = pytest.mark.integration
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST = datetime(2026, 9, 1, tzinfo=UTC)


def ask(account_id: int, since: datetime, until: datetime) -> Any:
    return read_statement(StatementQuestion(account_id, since, until))


def total(account_id: int, since: datetime, until: datetime) -> Decimal:
    return sum((t.total for t in ask(account_id, since, until).totals), Decimal(0))


def move(site: Site, to: int, at: datetime) -> None:
    gateway = Gateway.objects.get(pk=site.gateway_id)
    gateway.account_id = to
    gateway.save()
    made = Assignment.objects.filter(gateway=gateway)[:1].get()
    made.since = at
    made.save(update_fields=["since"])


@pytest.mark.parametrize(
    "zone", ["Asia/Kathmandu", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe"]
)
@pytest.mark.parametrize("kind", ["cumulative", "delta", "net"])
def test_parts_add_up_over_a_move_in_every_zone(
    connection: Connection, zone: str, kind: str
) -> None:
    rng = random.Random(zone + kind)
    meter = Meter("cumulative", is_net=True) if kind == "net" else Meter(kind)  # type: ignore[arg-type]
    site = register(connection, meter, zone=zone, is_spread=True)
    # Clocks change in these weeks.
    begin = datetime(2026, 9, 25 if zone == "Australia/Lord_Howe" else 26, tzinfo=UTC)
    begin += timedelta(days=0 if zone == "Australia/Lord_Howe" else 30)
    readings = list(make_readings(rng, begin, kind=kind))
    put(connection, [(site, reading) for reading in readings])
    other = Account.objects.create(name="Other", time_zone="UTC", spreads_gaps=True)
    moved = begin + 8 * DAY + 3 * HOUR
    move(site, other.pk, moved)
    refresh_aggregates(connection)
    ends = (begin - DAY, begin + 30 * DAY)
    whole = {one: total(one, *ends) for one in (site.account_id, other.pk)}
    for account_id, expected in whole.items():
        for _ in range(4):
            within = [begin + timedelta(seconds=rng.randint(0, 16 * 86_400)) for _ in range(5)]
            cuts = sorted({*ends, moved, rng.choice(readings).at, *within})
            parts = [total(account_id, *pair) for pair in pairwise(cuts)]
            assert sum(parts) == expected, cuts
    months = "SELECT account_id, sum(total) FROM monthly_total WHERE total <> 0 GROUP BY 1"
    assert {of: sum_ for of, sum_ in whole.items() if sum_} == dict(read(connection, months))
    if kind == "delta":
        assert sum(whole.values()) == sum(reading.value for reading in readings)
    if kind == "cumulative":
        assert sum(whole.values()) == readings[-1].value - readings[0].value


def make_readings(rng: random.Random, at: datetime, *, kind: str) -> Iterator[Value]:
    """Sixteen days of readings with gaps."""
    value, end = Decimal(1000), at + 16 * DAY
    while at < end:
        at += timedelta(minutes=rng.choice([7, 15, 15, 15, 30, 60, 60, 61, 600, 2000]))
        step = Decimal(rng.randint(-50 if kind == "net" else 0, 100)) / 7
        step = step.quantize(Decimal("0.0001"))
        value += step
        yield Value(at, step if kind == "delta" else value)


def test_it_shows_no_register_of_the_account_before_on_the_day_of_a_move(
    connection: Connection,
) -> None:
    site = register(connection, Meter("cumulative"), is_spread=True)
    hours = [FIRST + number * HOUR for number in range(40)]
    put(connection, [(site, Value(hours[n], Decimal(1000 + n))) for n in range(9)])
    changed = hours[8] + HOUR / 2
    fit(site, changed, old=1008, first=500, serial="THEIRS")
    put(connection, [(site, Value(hours[n], Decimal(500 + n))) for n in range(9, 40)])
    other = Account.objects.create(name="Other", time_zone="UTC")
    move(site, other.pk, hours[12])
    refresh_aggregates(connection)
    [part] = ask(other.pk, FIRST - DAY, FIRST + 2 * DAY).devices[0].parts
    assert (part.serial, part.since, part.total) == ("THEIRS", hours[12], 27)
    assert (part.opening.at, part.opening.value) == (hours[13], 513)
    before = ask(site.account_id, FIRST - DAY, FIRST + 2 * DAY).devices[0].parts
    assert [(one.opening.value, one.closing.value) for one in before] == [(1000, 1008), (500, 512)]
    assert [one.until for one in before] == [changed, FIRST + 2 * DAY]


def test_it_shows_nothing_of_a_time_between_of_another_account(connection: Connection) -> None:
    site = register(connection, Meter("cumulative"), is_spread=True)
    days = [FIRST + number * DAY for number in range(31)]
    put(connection, [(site, Value(days[n], Decimal(1000 + n))) for n in range(30)])
    other = Account.objects.create(name="Other", time_zone="UTC")
    move(site, other.pk, days[10])
    for number in (12, 14):
        fit(site, days[number] + HOUR, old=1000 + number, first=1000 + number, serial=f"S{number}")
    move(site, site.account_id, days[20])
    refresh_aggregates(connection)
    first, last = ask(site.account_id, FIRST - DAY, days[30]).devices[0].parts
    assert (first.opening.value, first.closing, first.until) == (1000, None, days[10])
    assert (last.opening.value, last.closing.value, last.since) == (1021, 1029, days[20])
    assert (first.serial, last.serial, first.total + last.total) == ("", "S14", 19)
    theirs = ask(other.pk, FIRST - DAY, days[30]).devices[0].parts
    assert [part.serial for part in theirs] == ["", "S12", "S14"]
    assert sum(part.total for part in theirs) == 10
    device = Device.objects.select_related("account").get(pk=site.device_id)
    rows, times = list_own(device)
    shown = [hide_former(row, times) for row in rows.order_by("id")]
    assert [(row.serial, row.note, row.old_register) for row in shown] == [
        ("", "", None), ("S14", "", None),
    ]  # fmt: skip


def fit(site: Site, at: datetime, *, old: int, first: int, serial: str) -> None:
    """Another meter."""
    Installation.objects.create(
        device_id=site.device_id, since=at, old_register=old, first_register=first,
        measurement="cumulative", serial=serial, factor=1, note=f"NOTE {serial}",
    )  # fmt: skip
