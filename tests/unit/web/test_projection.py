"""What the month may come to is told as surely as what is left of it is known."""

from datetime import date
from decimal import Decimal

import pytest

from telemetry.web.overview.consumption import project

MONDAY = date(2026, 11, 30)


@pytest.mark.parametrize(
    ("part", "today", "days", "projected"),
    [
        ("10480", "343", 1, "10537"),  # 57 of 400 are left of today
        ("10480", "400", 1, "10480"),  # nothing is left
        ("10480", "410", 1, "10480"),
        ("343", "343", 30, "12000"),  # 57 and 29 days of 400
        ("5343", "343", 15, "11000"),
        ("10480.4", "399.5", 1, "10480.90"),
        ("0", "0", 0, "400"),
    ],
)
def test_it_has_three_digits_or_two_of_what_is_left(
    part: str, today: str, days: int, projected: str
) -> None:
    found = project(
        dict.fromkeys(range(7), Decimal(400)), part=Decimal(part), today=Decimal(today),
        first=MONDAY, days=days,
    )  # fmt: skip
    assert found == Decimal(projected)


def test_it_needs_a_week() -> None:
    known = dict.fromkeys(range(6), Decimal(400))
    assert project(known, part=Decimal(1), today=Decimal(1), first=MONDAY, days=3) is None


def test_a_month_without_consumption_comes_to_nothing() -> None:
    known = dict.fromkeys(range(7), Decimal())
    assert project(known, part=Decimal(), today=Decimal(), first=MONDAY, days=3) == 0
