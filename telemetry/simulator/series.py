"""Plausible values, as functions of seed and time: whole numbers of 1/10,000, so always exact."""

import math
from datetime import UTC, datetime, timedelta

from telemetry.simulator.load import HOUR_US, read_drift, read_weight, sum_weights
from telemetry.simulator.simulated_fleet import SimulatedDevice

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000


def format_instant(time_us: int) -> str:
    """ISO 8601 in UTC with microseconds and Z; `time_us` counts from 1970."""
    instant = _EPOCH + timedelta(microseconds=time_us)
    return instant.isoformat(timespec="microseconds")[:-6] + "Z"


def format_value(value: int) -> str:
    """Ten-thousandths as decimal text: -45000 is -4.5000."""
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), 10_000)
    return f"{sign}{whole}.{part:04d}"


def draw_value(
    device: SimulatedDevice, *, key: int, time_us: int, noise: int, interval_us: int
) -> int:
    """The value of one reading in ten-thousandths.

    `key` is fixed for the device (its load and its level), `noise` differs with each message. A
    register never shrinks as time goes on, also from one run to the next, unless its meter is
    replaced: the new one begins at zero.
    """
    load = 2_000 + key % 48_000  # per hour
    if device.measurement == "cumulative":
        before = read_register(load, key=key, time_us=device.replaced_at_us)
        register = read_register(load, key=key, time_us=time_us)
        return register - before if time_us > device.replaced_at_us else register
    if device.measurement == "delta":
        mean = max(load * read_weight(key, time_us - 1) * interval_us // (1_000 * HOUR_US), 10)
        return mean // 2 + noise % mean
    swing = math.sin((time_us % _DAY_US) / _DAY_US * math.tau)
    level = key % 300_000 - 50_000 + int(40_000 * swing) + read_drift(key, time_us)
    return level + noise % 3_000


def read_register(load: int, *, key: int, time_us: int) -> int:
    """Consumption since 2024 in ten-thousandths."""
    return load * sum_weights(key, time_us) // (1_000 * HOUR_US)
