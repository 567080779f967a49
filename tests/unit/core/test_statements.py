"""Statements: parts, registers at both ends, and that they add up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.consumption import next_month, start_of
from telemetry.core.installations import Installation, Meter
from telemetry.core.numbers import write_number
from telemetry.core.registers import Value
from telemetry.core.statements import list_parts
from tests.billing_cases import CASES, bill
from tests.consumption import install

START = datetime(2026, 11, 2, tzinfo=UTC)
REGISTER = Meter("cumulative")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def make(*found: tuple[float, Any]) -> list[Value]:
    return [Value(at(hours), Decimal(str(value))) for hours, value in found]


def tell(readings: list[Value], since: float, until: float, *meters: Installation) -> list[Any]:
    """Each part: total, estimated, both registers with their hours and sources."""
    parts = list_parts(readings, meters or [Installation(REGISTER)], at(since), at(until))
    return [
        (
            write_number(part.total), write_number(part.estimated),
            *(
                of and (write_number(of.value), (of.at - START) / timedelta(hours=1), of.source)
                for of in (part.opening, part.closing)
            ),
        )
        for part in parts
    ]  # fmt: skip


def change(hours: float, old: Any, first: Any, meter: Meter = REGISTER) -> Installation:
    old, first = (None if one is None else Decimal(str(one)) for one in (old, first))
    return Installation(meter, at(hours), old, first)


HOURLY = make((0, 100), (1, 110), (2, 130), (3, 160))
FORTY = Meter("cumulative", factor=Decimal(40))
MODULUS = Meter("cumulative", modulus=Decimal(1000))
CASES_OF_REGISTERS = {
    "between readings": (
        tell(HOURLY, 1, 3), [("50", "0", ("110", 1, "measured"), ("160", 3, "measured"))],
    ),
    "the last reading before an end, with its time": (
        tell(HOURLY, 0.5, 2.9), [("30", "0", ("100", 0, "measured"), ("130", 2, "measured"))],
    ),
    "the first reading, where there was none": (
        tell(HOURLY, -5, 1), [("10", "0", ("100", 0, "measured"), ("110", 1, "measured"))],
    ),
    "nothing yet": (tell(HOURLY, -5, -1), [("0", "0", None, None)]),
    "interpolated in a gap": (
        tell(make((0, 100), (10, 200)), 1, 4),
        [("30", "30", ("110", 1, "interpolated"), ("140", 4, "interpolated"))],
    ),
    "interpolated before the factor, over a rollover": (
        tell(make((0, 990), (10, 90)), 0, 5, Installation(
            Meter("cumulative", modulus=Decimal(1000), factor=Decimal(40)))),
        [("2000", "2000", ("990", 0, "measured"), ("40", 5, "interpolated"))],
    ),
    "a dip is skipped": (
        tell(make((0, 2000), (1, 0), (2, 2015)), 0.5, 1.5),
        [("0", "0", ("2000", 0, "measured"), ("2000", 0, "measured"))],
    ),
    "a change of meter": (
        tell(make((0, 7000), (1, 7010), (3, 3)), 0, 3, Installation(REGISTER), change(1, 7010, 0)),
        [
            ("10", "0", ("7000", 0, "measured"), ("7010", 1, "entered")),
            ("3", "0", ("0", 1, "entered"), ("3", 3, "measured")),
        ],
    ),
    "an end at the change": (
        tell(make((0, 7000), (3, 3)), 1, 3, Installation(REGISTER), change(1, 7010, 0)),
        [("3", "0", ("0", 1, "entered"), ("3", 3, "measured"))],
    ),
    "a factor from an instant on": (
        tell(
            make((0, 10), (1, 20), (2, 30)), 0, 2,
            Installation(REGISTER), change(1, 20, 20, FORTY),
        ),
        [
            ("10", "0", ("10", 0, "measured"), ("20", 1, "entered")),
            ("400", "0", ("20", 1, "entered"), ("30", 2, "measured")),
        ],
    ),
    "deltas have no registers, levels no part": (
        tell(
            make((0, 1), (1, 2), (2, 4), (3, 9)), 0, 9,
            Installation(Meter("delta")), change(2, None, None, Meter("gauge")),
        ),
        [("6", "0", None, None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES_OF_REGISTERS)
def test_it_says_what_registers_had_reached(case: str) -> None:
    found, expected = CASES_OF_REGISTERS[case]
    assert found == expected


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_month_over_a_month(name: str) -> None:
    case = CASES[name]
    months, _ = bill(case)
    zone, meters = ZoneInfo(case.zone), install(case.meter, case.replacements)
    for month, of in months.items():
        end = next_month(month, case.billing_day)
        parts = list_parts(case.readings, meters, start_of(month, zone), start_of(end, zone))
        assert sum(part.total for part in parts) == of.total
        assert sum(part.estimated for part in parts) == of.estimated


minutes = st.integers(0, 3000)
registers = st.sampled_from([Decimal(text) for text in ("0", "50", "90", "99.5", "100", "101.25")])


@given(
    series=st.dictionaries(minutes, registers, max_size=12),
    changes=st.dictionaries(minutes, st.tuples(registers, registers), max_size=2),
    cuts=st.lists(minutes, min_size=3, max_size=6, unique=True),
    factor=st.sampled_from([Decimal(1), Decimal("0.3333")]),
)
def test_adjacent_ones_add_up_to_the_whole(
    series: dict[int, Decimal],
    changes: dict[int, tuple[Decimal, Decimal]],
    cuts: list[int],
    factor: Decimal,
) -> None:
    meter = Meter("cumulative", modulus=Decimal(200), interval_s=900, factor=factor)
    readings = [Value(at(minute / 60), value) for minute, value in series.items()]
    meters = [
        Installation(meter),
        *(Installation(meter, at(minute / 60), *changes[minute]) for minute in sorted(changes)),
    ]

    def count(since: int, until: int) -> Decimal:
        parts = list_parts(readings, meters, at(since / 60), at(until / 60))
        return sum((part.total for part in parts), Decimal(0))

    cuts = sorted(cuts)
    parts = [count(*pair) for pair in pairwise(cuts)]
    assert sum(parts) == count(cuts[0], cuts[-1])
