"""The past of the demo fleet: what happened is in it, and what is published now goes on from it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from telemetry.demo.messages import list_lines, read_register_at
from telemetry.simulator.demo_events import list_events
from telemetry.simulator.messages import iterate_messages
from telemetry.simulator.plan import Plan
from telemetry.simulator.simulated_fleet import SimulatedDevice, SimulatedFleet, SimulatedGateway

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REGISTERED_AT = datetime(2026, 11, 29, 19, 44, 3, tzinfo=UTC)
EVENTS = list_events(REGISTERED_AT)
REPLACED = EVENTS.replacement
DAY = timedelta(days=1)
SEED = 1


def to_us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def make_gateway(number: int) -> SimulatedGateway:
    mac = f"02:00:00:00:00:0{number}"
    replaced_at_us = to_us(REPLACED.at) if mac == REPLACED.mac else 0
    devices = (
        SimulatedDevice(1, "D01", "delta", "kWh", is_meter=True),
        SimulatedDevice(4, "D04", "cumulative", "kWh", True, replaced_at_us),
        SimulatedDevice(2, "D02", "delta", "m³", is_meter=True),
    )
    return SimulatedGateway(mac, devices)


FLEET = SimulatedFleet(tuple(make_gateway(number) for number in (1, 2, 3)))
Reading = tuple[datetime, float]


def read(lines: Iterator[bytes]) -> dict[tuple[str, str], list[Reading]]:
    """Instants and values by MAC and code."""
    found: dict[tuple[str, str], list[Reading]] = {}
    for line in lines:
        fields: dict[str, Any] = json.loads(line)
        at = datetime.fromisoformat(fields["timestamp"])
        for reading in fields["leituras"]:
            key = (fields["gateway_mac"], reading["dispositivo_codigo"])
            found.setdefault(key, []).append((at, reading["valor"]))
    return found


def read_past(since: datetime, until: datetime, *, is_late: bool = False) -> Any:
    return read(list_lines(FLEET, EVENTS, since=since, until=until, seed=SEED, is_late=is_late))


@pytest.mark.parametrize("day", [1, 15, 31])
def test_it_has_everything_in_the_past_when_the_fleet_is_registered_on_any_day(day: int) -> None:
    events = list_events(datetime(2026, 3, day, 2, 30, tzinfo=UTC))
    happened = (events.silence.since, events.late.since, events.replacement.at,
                events.open_spike.at, events.accepted_spike.at)  # fmt: skip

    assert timedelta(days=395) < events.until - events.since < timedelta(days=398)
    assert all(events.since + 300 * DAY < at < events.until for at in happened)
    assert events.silence.until - events.silence.since == 7 * DAY
    assert events.late.until <= events.closed_until < events.silence.since


def test_it_goes_on_where_the_past_ended_when_the_fleet_publishes() -> None:
    past = read_past(EVENTS.until - DAY, EVENTS.until)
    plan = Plan(
        FLEET, "t", SEED, to_us(EVENTS.until) + 60_000_000, interval_us=60_000_000, messages_count=3
    )
    now = read(message.payload for message in iterate_messages(plan))

    for key in [(gateway.mac, "D04") for gateway in FLEET.gateways]:
        values = [value for _, value in past[key]]
        assert past[key][-1][0] == EVENTS.until
        assert values == sorted(values)
        assert 0 <= now[key][0][1] - values[-1] < 0.5, "a minute at 10 kWh an hour at most"


def test_it_begins_at_zero_when_the_meter_is_replaced() -> None:
    readings = read_past(REPLACED.at - DAY, REPLACED.at + DAY)[REPLACED.mac, REPLACED.code]
    old = [value for at, value in readings if at <= REPLACED.at]
    new = [value for at, value in readings if at > REPLACED.at]

    assert old == sorted(old)
    assert new == sorted(new)
    assert old[-1] <= read_register_at(FLEET, REPLACED, seed=SEED) < old[-1] + 10
    assert 0 <= new[0] < 10


def test_it_leaves_out_a_week_when_a_gateway_was_silent() -> None:
    silence = EVENTS.silence
    past = read_past(silence.since - DAY, silence.until + DAY)
    hours = {mac: [at for at, _ in past[mac, "D01"]] for mac in (silence.mac, REPLACED.mac)}

    assert not any(silence.since < at <= silence.until for at in hours[silence.mac])
    assert len(hours[REPLACED.mac]) - len(hours[silence.mac]) == 7 * 24


def test_it_tells_late_messages_from_others() -> None:
    since, until = EVENTS.late.since - DAY, EVENTS.late.until + DAY
    in_time, late = read_past(since, until), read_past(since, until, is_late=True)

    assert {mac for mac, _ in late} == {EVENTS.late.mac}
    key = (EVENTS.late.mac, "D01")
    assert len(late[key]) == 3 * 24
    assert len(in_time[key]) == 2 * 24


@pytest.mark.parametrize("spike", [EVENTS.open_spike, EVENTS.accepted_spike])
def test_it_has_a_spike_at_its_hour_alone(spike: Any) -> None:
    readings = read_past(spike.at - DAY, spike.at + DAY)[spike.mac, spike.code]
    peak = max(readings, key=lambda reading: reading[1])
    usual = max(value for at, value in readings if at != spike.at)

    assert peak[0] == spike.at
    assert peak[1] > 5 * usual


def test_it_leaks_in_the_last_week() -> None:
    leak = EVENTS.leak
    readings = read_past(leak.since - 28 * DAY, EVENTS.until)[leak.mac, leak.code]
    days: dict[int, float] = {}
    for at, value in readings:
        number = (at - timedelta(microseconds=1) - leak.since) // DAY
        days[number] = days.get(number, 0) + value
    before = sum(days[number] for number in range(-28, 0)) / 4
    assert 1.25 < sum(days[number] for number in range(7)) / before < 1.55


def test_it_consumes_more_on_working_days_than_on_sundays() -> None:
    past = read_past(EVENTS.until - 28 * DAY, EVENTS.until)[REPLACED.mac, "D01"]
    by_weekday = [sum(value for at, value in past if at.weekday() == day) for day in range(7)]

    assert min(by_weekday[:5]) > 1.3 * by_weekday[6]
