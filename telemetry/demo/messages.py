"""The messages of the past as lines of a file that `import_readings` takes. Pure.

They are the simulator's own, so registers and levels go on where the past ended.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from telemetry.simulator.demo_events import Events, Replacement
from telemetry.simulator.messages import iterate_messages, make_key
from telemetry.simulator.plan import Plan
from telemetry.simulator.series import draw_value, format_value
from telemetry.simulator.simulated_fleet import SimulatedFleet

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def list_lines(
    fleet: SimulatedFleet,
    events: Events,
    *,
    since: datetime,
    until: datetime,
    seed: int,
    is_late: bool = False,
) -> Iterator[bytes]:
    """Payloads of all gateways after `since`, up to `until`: one an hour, and one a minute after
    the last full hour. `is_late`: those that came late alone; otherwise all others."""
    full = until.replace(minute=0, second=0, microsecond=0)
    for after, last, interval in ((since, full, HOUR), (full, until, MINUTE)):
        yield from _list_evenly(
            fleet, events, after=after, last=last, interval=interval, seed=seed, is_late=is_late
        )


def _list_evenly(
    fleet: SimulatedFleet,
    events: Events,
    *,
    after: datetime,
    last: datetime,
    interval: timedelta,
    seed: int,
    is_late: bool,
) -> Iterator[bytes]:
    rounds = (last - after) // interval
    if rounds <= 0:
        return
    plan = Plan(
        fleet=fleet,
        prefix="",
        seed=seed,
        first_at_us=(after + interval - _EPOCH) // timedelta(microseconds=1),
        interval_us=interval // timedelta(microseconds=1),
        messages_count=rounds * len(fleet.gateways),
    )
    for number, message in enumerate(iterate_messages(plan)):
        at = _EPOCH + timedelta(microseconds=plan.time_us(number))
        mac = fleet.gateways[message.gateway].mac
        if events.silence.holds(mac, at) or events.late.holds(mac, at) is not is_late:
            continue
        payload = message.payload
        for spike in (events.open_spike, events.accepted_spike):
            if (mac, at) == (spike.mac, spike.at):
                payload = _raise_value(payload, spike.code, factor=Decimal(spike.factor))
        if mac == events.leak.mac and at > events.leak.since:
            payload = _raise_value(payload, events.leak.code, factor=events.leak.factor)
        yield payload


def _raise_value(payload: bytes, code: str, *, factor: Decimal) -> bytes:
    fields = json.loads(payload)
    for reading in fields["leituras"]:
        if reading["dispositivo_codigo"] == code:
            value = round(round(reading["valor"] * 10_000) * factor)
            reading["valor"] = float(format_value(value))
    return json.dumps(fields, ensure_ascii=False).encode()


def read_register_at(fleet: SimulatedFleet, event: Replacement, *, seed: int) -> Decimal:
    """The last value of the meter that was replaced."""
    [(gateway, device)] = [
        (number, place)
        for number, one in enumerate(fleet.gateways)
        for place, device in enumerate(one.devices)
        if (one.mac, device.code) == (event.mac, event.code)
    ]
    value = draw_value(
        fleet.gateways[gateway].devices[device],
        key=make_key(seed, gateway=gateway, device=device),
        time_us=(event.at - _EPOCH) // timedelta(microseconds=1),
        noise=0,
        interval_us=0,
    )
    return Decimal(format_value(value))
