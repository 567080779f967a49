"""Plausible values, as functions of seed and time: whole numbers of 1/10,000, so always exact."""

import math
from datetime import UTC, datetime, timedelta

from telemetry.simulator.simulated_fleet import SimulatedDevice

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REGISTER_START_US = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
_MASK = 0xFFFFFFFFFFFFFFFF


def format_instant(time_us: int) -> str:
    """ISO 8601 in UTC with microseconds and Z; `time_us` counts from 1970."""
    instant = _EPOCH + timedelta(microseconds=time_us)
    return instant.isoformat(timespec="microseconds")[:-6] + "Z"


def format_value(value: int) -> str:
    """Ten-thousandths as decimal text: -45000 is -4.5000."""
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), 10_000)
    return f"{sign}{whole}.{part:04d}"


def scramble(number: int) -> int:
    """64 bits that look random and depend on `number` alone (the finish of MurmurHash3)."""
    number &= _MASK
    number = (number ^ number >> 33) * 0xFF51AFD7ED558CCD & _MASK
    number = (number ^ number >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return number ^ number >> 33


def draw_value(
    device: SimulatedDevice, *, key: int, time_us: int, noise: int, interval_us: int
) -> int:
    """The value of one reading in ten-thousandths.

    `key` is fixed for the device (its load and its level), `noise` differs with each message. A
    register never shrinks as time goes on, also from one run to the next.
    """
    load = 2_000 + key % 48_000  # per hour
    if device.measurement == "cumulative":
        return _read_register(load, time_us)
    if device.measurement == "delta":
        mean = max(load * interval_us // _HOUR_US, 10)
        return mean // 2 + noise % mean
    swing = math.sin((time_us % _DAY_US) / _DAY_US * math.tau)
    return key % 300_000 - 50_000 + int(40_000 * swing) + noise % 3_000


def _read_register(load: int, time_us: int) -> int:
    """Consumption since 2024, more by day than by night; its slope is never negative."""
    elapsed_us = time_us - _REGISTER_START_US
    wave_h = 12 / math.pi * (1 - math.cos((elapsed_us % _DAY_US) / _DAY_US * math.tau))
    return max(int(load * (elapsed_us / _HOUR_US + wave_h / 2)), 0)
