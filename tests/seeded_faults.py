"""Devices with loads as buildings have them, and faults at known places among their readings.

Kinds of faults: `KINDS`. Registers and deltas of quarter hours, hours, six hours and days; homes,
offices and machines; with noise. The same seed gives the same readings.
"""

import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KINDS: dict[str, tuple[str, ...]] = {
    "dip": ("dip",),
    "spike": ("spike",),
    "reset": ("reset",),
    "rollover": ("reset",),  # nobody entered the modulus
    "silence": ("silent",),
    "old clock": ("old_clock",),
    "scale slip": ("scale", "too_fast", "spike", "dip", "reset"),
    "double delta": ("double",),
}
"""Each with the rules that count as having found it."""
OF_REGISTERS = ("dip", "spike", "reset", "rollover")
ONCE = ("reset", "rollover")
"""At most one of them in a device."""
APART = 3 * DAY
"""Between two faults of a device."""


Load = Callable[[datetime, random.Random], float]
Span = tuple[datetime, datetime]


class Device(Struct, frozen=True):
    """How a device measures. `load`: units an hour at an instant, with noise."""

    number: int
    measurement: str
    interval: timedelta
    load: Load
    modulus: int | None = None


class Sent(Struct):
    """A reading, by its stamp. `is_good`: no fault changed or moved it."""

    at: datetime
    received_at: datetime
    value: float
    is_good: bool = True

    @property
    def stored(self) -> Decimal:
        """As the table has it."""
        return Decimal(f"{self.value:.4f}")


class Fault(Struct, frozen=True):
    """What is wrong with a device: at the stamps of `spans` (both ends included); the first one is
    where it is to be found."""

    kind: str
    device: int
    spans: list[Span]


class Seeded(Struct, frozen=True):
    """Devices, the readings of each in the order of time, and the faults among them."""

    devices: list[Device]
    readings: list[list[Sent]]
    faults: list[Fault]


def seed_faults(
    seed: int, *, devices: int, start: datetime, days: int, of_each_kind: int
) -> Seeded:
    """Faults of every kind at random places of random devices, `APART` from each other."""
    chance = random.Random(seed)
    made = [_make_device(number) for number in range(devices)]
    readings = [_measure(device, chance, start=start, days=days) for device in made]
    faults: list[Fault] = []
    for kind in (*ONCE, *(kind for kind in KINDS if kind not in ONCE)):
        for _ in range(of_each_kind):
            faults.append(_plant_somewhere(kind, made, readings, faults, chance, start=start))
    for sent in readings:
        sent.sort(key=lambda one: one.at)
    return Seeded(made, readings, faults)


def _make_device(number: int) -> Device:
    """Loads, measurements and intervals in turn."""
    measurement = "delta" if number % 10 in (1, 3, 6, 8) else "cumulative"
    hours = (1, 0.25, 1, 1, 6, 1, 0.25, 1, 24, 24)[number % 10]
    loads = (_home, _office, _machine, _pump if measurement == "cumulative" else _machine)
    modulus = 100_000 if number % 10 == 5 else None
    return Device(number, measurement, hours * HOUR, loads[number // 10 % 4], modulus)


def _home(at: datetime, chance: random.Random) -> float:
    evening = math.exp(-(((at.hour + at.minute / 60 - 19.5) / 2.5) ** 2))
    return (0.3 + 1.2 * evening) * chance.lognormvariate(0, 0.25)


def _office(at: datetime, chance: random.Random) -> float:
    is_open = at.weekday() < 5 and 8 <= at.hour < 18
    return (12 if is_open else 2.5) * chance.lognormvariate(0, 0.08)


def _machine(_at: datetime, chance: random.Random) -> float:
    return 5 * chance.lognormvariate(0, 0.06)


def _pump(at: datetime, chance: random.Random) -> float:
    return 4 * chance.lognormvariate(0, 0.3) if 6 <= at.hour < 22 else 0


def _measure(device: Device, chance: random.Random, *, start: datetime, days: int) -> list[Sent]:
    """Readings without a fault; they come some seconds late."""
    at = start + timedelta(seconds=chance.randrange(int(device.interval.total_seconds())))
    height = 99_000.0 if device.modulus else chance.uniform(2_000, 80_000)
    sent = []
    while at < start + days * DAY:
        hours = max(1, device.interval // HOUR)  # a long interval holds many loads
        parts = [device.load(at - part * HOUR, chance) for part in range(hours)]
        consumed = sum(parts) / hours * (device.interval / HOUR)
        height += consumed
        value = consumed if device.measurement == "delta" else height % (device.modulus or 1e12)
        sent.append(Sent(at, at + timedelta(seconds=chance.uniform(1, 20)), value))
        at += device.interval
    return sent


def _plant_somewhere(
    kind: str,
    devices: list[Device],
    readings: list[list[Sent]],
    faults: list[Fault],
    chance: random.Random,
    *,
    start: datetime,
) -> Fault:
    while True:
        device = chance.choice(devices)
        own = [fault for fault in faults if fault.device == device.number]
        if not _fits(kind, device, own):
            continue
        sent = readings[device.number]
        margin = max(1, 2 * DAY // device.interval)
        at = chance.randrange(margin, len(sent) - margin)
        count = _choose_count(kind, device, chance)
        if at + count + 1 >= len(sent):
            continue
        back = _choose_way_back(sent[at].at - start, device, chance)
        around = (sent[at].at - APART, sent[at + count].at + APART)
        moved = (around[0] - back, around[1] - back) if kind == "old clock" else around
        taken = [span for fault in own for span in fault.spans]
        if any(_meet(span, other) for span in (around, moved) for other in taken):
            continue
        spans = PLANTERS[kind](sent, at, count, device, chance, back)
        return Fault(kind, device.number, spans)


def _fits(kind: str, device: Device, own: list[Fault]) -> bool:
    is_register = device.measurement == "cumulative"
    if kind in ONCE and (device.modulus or any(fault.kind in ONCE for fault in own)):
        return False
    return is_register if kind in OF_REGISTERS else kind != "double delta" or not is_register


def _choose_count(kind: str, device: Device, chance: random.Random) -> int:
    """Readings that are wrong."""
    if kind in ("dip", "spike"):
        return chance.randint(1, 3)
    if kind == "silence":
        return chance.randint(2, 12) * max(1, HOUR // device.interval)
    return chance.randint(1, 12) if kind in ("old clock", "scale slip") else 1


def _choose_way_back(age: timedelta, device: Device, chance: random.Random) -> timedelta:
    """How far an old clock is behind: more than two intervals; now and then, as far as from before
    the device was there."""
    if chance.random() < 0.2:
        return age + chance.uniform(40, 60) * DAY
    least = max(3 * HOUR, 2 * device.interval)
    return chance.uniform(min(1, least / age), 1) * age


def _meet(one: Span, other: Span) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _plant_dip(
    sent: list[Sent], at: int, count: int, _device: Device, chance: random.Random, _: timedelta
) -> list[Span]:
    for one in sent[at : at + count]:
        one.value, one.is_good = one.value * chance.choice((0, chance.uniform(0, 0.8))), False
    return [(sent[at].at, sent[at + count - 1].at)]


def _plant_spike(
    sent: list[Sent], at: int, count: int, _device: Device, chance: random.Random, _: timedelta
) -> list[Span]:
    after = sent[at + count].value
    for one in sent[at : at + count]:
        one.value, one.is_good = after * chance.choice((1.1, 2, 10, 100, 1_000)) + 100, False
    return [(sent[at].at, sent[at + count - 1].at)]


def _plant_reset(
    sent: list[Sent], at: int, _count: int, _device: Device, _chance: random.Random, _: timedelta
) -> list[Span]:
    height = sent[at - 1].value
    for one in sent[at:]:
        one.value -= height
    return [(sent[at].at, sent[at].at)]


def _plant_rollover(
    sent: list[Sent], at: int, _count: int, _device: Device, chance: random.Random, _: timedelta
) -> list[Span]:
    modulus = chance.choice((10**5, 10**6, 2**16))
    while sent[at].value == sent[at - 1].value:
        at += 1  # at night a pump stands
    height = sent[at].value - (sent[at].value - sent[at - 1].value) * chance.uniform(0.1, 0.9)
    for one in sent:
        one.value = (one.value - height) % modulus
    return [(sent[at].at, sent[at].at)]


def _plant_silence(
    sent: list[Sent], at: int, count: int, _device: Device, _chance: random.Random, _: timedelta
) -> list[Span]:
    span = (sent[at].at, sent[at + count - 1].at)
    del sent[at : at + count]
    return [span]


def _plant_old_clock(
    sent: list[Sent], at: int, count: int, _device: Device, chance: random.Random, back: timedelta
) -> list[Span]:
    real = (sent[at].at, sent[at + count - 1].at)
    moved = sent[at : at + count]
    del sent[at : at + count]
    for one in moved:
        one.at, one.is_good = one.at - back - timedelta(microseconds=chance.randrange(10**6)), False
    span = (moved[0].at, moved[-1].at)
    sent += moved
    sent.sort(key=lambda one: one.at)
    return [span, real]


def _plant_scale_slip(
    sent: list[Sent], at: int, count: int, _device: Device, chance: random.Random, _: timedelta
) -> list[Span]:
    factor = chance.choice((10, 100, 1_000, 0.1, 0.01, 0.001))
    for one in sent[at : at + count]:
        one.value, one.is_good = one.value * factor, False
    return [(sent[at].at, sent[at + count - 1].at)]


def _plant_double(
    sent: list[Sent], at: int, _count: int, device: Device, chance: random.Random, _: timedelta
) -> list[Span]:
    """The value of two intervals, where that can be told; else it comes again with a new stamp."""
    one = sent[at]
    if device.load is _machine and chance.random() < 0.5:
        one.value, one.is_good = 2 * one.value, False
        return [(one.at, one.at)]
    later = chance.uniform(0.001, 0.45) * device.interval
    sent.insert(at + 1, Sent(one.at + later, one.received_at + later, one.value, is_good=False))
    return [(one.at, one.at + later)]


PLANTERS: dict[str, Callable[..., list[Span]]] = {
    "dip": _plant_dip,
    "spike": _plant_spike,
    "reset": _plant_reset,
    "rollover": _plant_rollover,
    "silence": _plant_silence,
    "old clock": _plant_old_clock,
    "scale slip": _plant_scale_slip,
    "double delta": _plant_double,
}
