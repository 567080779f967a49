"""How a simulated load goes over the hours of a day, weekdays and seasons.

Whole numbers, so sums are exact: what a register counts between two instants is what the hours
between them come to, in the past that a demo is given and in what is published now.
"""

import math
from functools import cache
from itertools import accumulate

HOUR_US = 3_600_000_000
_FIRST_HOUR = 473_352  # 2024-01-01 in hours since 1970: registers began there
_HOURS_A_YEAR = 8_766
_THURSDAY = 3  # 1970-01-01 was one; Monday is 0
_MASK = 0xFFFFFFFFFFFFFFFF

# Per mille of the mean load in the hours of a working day, beside what is always on. In UTC: the
# places of the demo fleet are at most three hours away from it.
_WORKING_HOURS = (
    0, 0, 0, 0, 0, 0, 150, 350, 700, 1_000, 1_200, 1_250, 1_150, 1_050, 1_200, 1_250,
    1_200, 1_100, 900, 650, 400, 250, 100, 50,
)  # fmt: skip
# What is always on; the share of the working hours on each weekday; the swing of the seasons,
# highest in January.
_PROFILES = (
    (350, (1_000, 1_030, 1_050, 1_040, 980, 320, 120), 80),
    (450, (1_000, 1_000, 1_020, 1_010, 1_060, 750, 180), 140),
    (700, (600, 620, 610, 600, 590, 420, 380), 180),
    (400, (950, 980, 1_000, 1_020, 900, 250, 90), -60),
)


def scramble(number: int) -> int:
    """64 bits that look random and depend on `number` alone (the finish of MurmurHash3)."""
    number &= _MASK
    number = (number ^ number >> 33) * 0xFF51AFD7ED558CCD & _MASK
    number = (number ^ number >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return number ^ number >> 33


def read_weight(key: int, time_us: int) -> int:
    """The load of a device at an instant, per mille of its mean. `key` is fixed for the device."""
    return _weigh_hour(_find_profile(key), time_us // HOUR_US)


def sum_weights(key: int, time_us: int) -> int:
    """The same over the microseconds since 2024; it never shrinks. 0 before."""
    hour, rest_us = divmod(time_us, HOUR_US)
    if hour < _FIRST_HOUR:
        return 0
    profile = _find_profile(key)
    year, hours = divmod(hour - _FIRST_HOUR, _HOURS_A_YEAR)
    whole = (
        sum(_sum_year(profile, one)[-1] for one in range(year)) + _sum_year(profile, year)[hours]
    )
    return whole * HOUR_US + _weigh_hour(profile, hour) * rest_us


def _find_profile(key: int) -> int:
    return (key >> 20) % len(_PROFILES)


@cache
def _sum_year(profile: int, year: int) -> tuple[int, ...]:
    """Sums of whole hours from the beginning of a year of the register, its end included."""
    first = _FIRST_HOUR + year * _HOURS_A_YEAR
    hours = range(first, first + _HOURS_A_YEAR)
    return tuple(accumulate((_weigh_hour(profile, hour) for hour in hours), initial=0))


def _weigh_hour(profile: int, hour: int) -> int:
    day, of_day = divmod(hour, 24)
    always_on, weekdays, _ = _PROFILES[profile]
    working = weekdays[(day + _THURSDAY) % 7] * _WORKING_HOURS[of_day]
    return (always_on * 1_000 + working) * _weigh_day(profile, day) // 1_000_000


@cache
def _weigh_day(profile: int, day: int) -> int:
    """Season, and what differs from day to day, per mille."""
    season = math.cos((day % 365.25 - 15) / 365.25 * math.tau)
    luck = scramble((day << 8) + profile) % 161 - 80
    return 1_000 + round(_PROFILES[profile][2] * season) + luck


def read_drift(key: int, time_us: int) -> int:
    """How far a level has drifted from its mean, in ten-thousandths: waves of days and of weeks."""
    days = time_us / (24 * HOUR_US) + key % 365
    waves = (
        12_000 * math.sin(days / 5.3) + 9_000 * math.sin(days / 19) + 6_000 * math.sin(days / 2.1)
    )
    return int(waves)
