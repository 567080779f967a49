"""Make the messages of a plan, in order, with what each must become. Pure; the same every time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from telemetry.core.reasons import Reason
from telemetry.simulator.bad_messages import MAKERS, make_bad
from telemetry.simulator.draft import MARK_KEY, Draft, telemetry_topic
from telemetry.simulator.load import scramble
from telemetry.simulator.outcomes import Outcome, SimulatedMessage
from telemetry.simulator.plan import PLAIN_INTERVAL_US, Kind, Plan
from telemetry.simulator.series import draw_value, format_instant, format_value
from telemetry.simulator.simulated_fleet import SimulatedGateway

_NOISE_KEY = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class _Template:
    """What is the same in all good messages of a gateway; values are filled in by `%`."""

    topic: str
    payload: bytes
    keys: tuple[int, ...]
    good: Outcome
    duplicate: Outcome


def iterate_messages(plan: Plan) -> Iterator[SimulatedMessage]:
    """The messages of a run; without end when the plan has no count.

    One bad way in every round of ways is a conflicting reading. It and a duplicate repeat the good
    message before them, never the same one twice: then the numbers of rows and of dead letters do
    not depend on the order in which they are stored.
    """
    templates = [_prepare(plan, gateway, n) for n, gateway in enumerate(plan.fleet.gateways)]
    way = 0
    last_good: SimulatedMessage | None = None
    number = 0
    while not plan.messages_count or number < plan.messages_count:
        kind = plan.kind(number)
        if kind is Kind.BAD:
            if way % (len(MAKERS) + 1) == len(MAKERS) and last_good is not None:
                yield _contradict(plan, last_good, number=number)
                last_good = None
            else:
                yield _spoil(plan, templates, number=number, way=way % (len(MAKERS) + 1))
            way += 1
        elif kind is Kind.DUPLICATE and last_good is not None:
            outcome = templates[last_good.gateway].duplicate
            yield SimulatedMessage(last_good.topic, last_good.payload, outcome, last_good.gateway)
            last_good = None
        else:
            last_good = _fill(plan, templates, number=number)
            yield last_good
        number += 1


def _prepare(plan: Plan, gateway: SimulatedGateway, number: int) -> _Template:
    readings = ",".join(
        json.dumps(
            {"dispositivo_codigo": device.code, "valor": 0, "unidade": device.unit or "un"},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        .replace("%", "%%")
        .replace('"valor":0', '"valor":%s', 1)
        for device in gateway.devices
    )
    payload = f'{{"gateway_mac":"{gateway.mac}","timestamp":"%s","leituras":[{readings}]}}'
    keys = tuple(
        make_key(plan.seed, gateway=number, device=place) for place in range(len(gateway.devices))
    )
    ids = tuple(device.id for device in gateway.devices)
    topic = telemetry_topic(plan.prefix, gateway.mac)
    return _Template(topic, payload.encode(), keys, Outcome(ids), Outcome((), len(ids)))


def make_key(seed: int, *, gateway: int, device: int) -> int:
    """What is fixed for a device, by its number in its gateway and the gateway's in the fleet."""
    return scramble((seed << 32) + (gateway << 10) + device)


def _draw_values(plan: Plan, template: _Template, *, number: int, time_us: int) -> list[str]:
    devices = plan.fleet.gateways[plan.gateway(number)].devices
    noise = scramble(plan.seed * _NOISE_KEY + number)
    interval_us = plan.interval_us or PLAIN_INTERVAL_US
    return [
        format_value(
            draw_value(
                device, key=key, time_us=time_us, noise=noise >> place, interval_us=interval_us
            )
        )
        for place, (device, key) in enumerate(zip(devices, template.keys, strict=True))
    ]


def _fill(plan: Plan, templates: list[_Template], *, number: int) -> SimulatedMessage:
    gateway = plan.gateway(number)
    template = templates[gateway]
    time_us = plan.time_us(number)
    values = _draw_values(plan, template, number=number, time_us=time_us)
    texts = [format_instant(time_us), *values]
    payload = template.payload % tuple(text.encode() for text in texts)
    return SimulatedMessage(template.topic, payload, template.good, gateway)


def _spoil(plan: Plan, templates: list[_Template], *, number: int, way: int) -> SimulatedMessage:
    gateway = plan.gateway(number)
    time_us = plan.time_us(number)
    values = _draw_values(plan, templates[gateway], number=number, time_us=time_us)
    devices = plan.fleet.gateways[gateway].devices
    draft = Draft(
        fleet=plan.fleet,
        gateway=plan.fleet.gateways[gateway],
        prefix=plan.prefix,
        run=plan.run,
        number=number,
        time_us=time_us,
        readings=tuple(
            {
                "dispositivo_codigo": device.code,
                "valor": value,
                "unidade": device.unit or "un",
            }
            for device, value in zip(devices, values, strict=True)
        ),
        payload_limit_bytes=plan.payload_limit_bytes,
        ahead_us=plan.ahead_us,
    )
    bad = make_bad(draft, way=way)
    return SimulatedMessage(bad.topic, bad.payload, bad.outcome, gateway)


def _contradict(plan: Plan, message: SimulatedMessage, *, number: int) -> SimulatedMessage:
    """The first reading of a good message again, with another value."""
    fields: dict[str, Any] = json.loads(message.payload)
    reading = fields["leituras"][0]
    changed = {
        **reading,
        "valor": format_value(round(reading["valor"] * 10_000) + 1),
        MARK_KEY: f"{plan.run:06x}-{number}",
    }
    payload = json.dumps(
        {**fields, "leituras": [changed]}, ensure_ascii=False, separators=(",", ":")
    )
    outcome = Outcome(rejected=(Reason.CONFLICTING_READING,))
    return SimulatedMessage(message.topic, payload.encode(), outcome, message.gateway)
