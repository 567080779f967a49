"""Numbers and ages as people read them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils.translation import override

from telemetry.web.formatting import (
    choose_places,
    describe_age,
    describe_change,
    describe_short_age,
    format_brief,
    format_change,
    format_days,
    format_exact,
    format_rounded,
    format_share,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "english", "portuguese"),
    [
        ("0.0000", "0", "0"),
        ("-0.0000", "0", "0"),
        ("1200.0000", "1,200", "1.200"),
        ("-1234567.8900", "-1,234,567.89", "-1.234.567,89"),
        ("99999999999.9999", "99,999,999,999.9999", "99.999.999.999,9999"),
        ("0.0001", "0.0001", "0,0001"),
        ("1E+3", "1,000", "1.000"),
    ],
)
def test_it_writes_every_digit_in_the_language_of_the_reader(
    value: str, english: str, portuguese: str
) -> None:
    with override("en"):
        assert format_exact(Decimal(value)) == english
        assert format_exact(Decimal(value), unit="kWh") == f"{english}\u00a0kWh"
    with override("pt-br"):
        assert format_exact(Decimal(value)) == portuguese


def test_it_rounds_what_has_no_end_and_says_shares_in_percent() -> None:
    with override("en"):
        assert format_rounded(Decimal(2) / 3) == "0.6667"
        assert format_share(Decimal("0.12345")) == "12.3\u00a0%"
        assert format_change(Decimal(110), before=Decimal(100)) == "+10\u00a0%"
        assert format_change(Decimal(90), before=Decimal(100)) == "-10\u00a0%"
        assert format_change(Decimal(90), before=Decimal(0)) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "now"),
        (0.4, "now"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (7_199, "1 hour ago"),
        (86_400 * 3, "3 days ago"),
    ],
)
def test_it_says_how_long_ago_in_the_largest_unit(seconds: float, words: str) -> None:
    with override("en"):
        assert describe_age(NOW - timedelta(seconds=seconds), now=NOW) == words


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        ("3843.61", "kWh", "3,844"),
        ("95.46", "kWh", "95.5"),
        ("1.2345", "kWh", "1.23"),
        ("0.0123", "kWh", "0.0123"),
        ("787.44", "m³", "787.4"),
        ("-18.42", "°C", "\u221218.4"),
        ("0", "kWh", "0"),
    ],
)
def test_it_writes_what_is_read_at_a_glance_with_the_decimals_of_its_unit(
    value: str, unit: str, text: str
) -> None:
    number = Decimal(value)
    with override("en"):
        assert format_brief(number, places=choose_places(number, unit=unit)) == text


@pytest.mark.parametrize(
    ("now", "before", "english", "portuguese", "is_large"),
    [
        (92, 100, "8% less", "8% a menos", True),
        (112, 100, "12% more", "12% a mais", True),
        (97, 100, "3% less", "3% a menos", False),
        (1003, 1000, "the same", "igual", False),
    ],
)
def test_it_says_a_change_in_words(
    now: int, before: int, english: str, portuguese: str, is_large: bool
) -> None:
    for language, text in (("en", english), ("pt-br", portuguese)):
        with override(language):
            change = describe_change(Decimal(now), before=Decimal(before))
        assert change is not None
        assert (change.text, change.is_large) == (text, is_large)
    assert describe_change(Decimal(5), before=Decimal(0)) is None


def test_it_names_days_as_short_as_they_are_clear() -> None:
    first, last = date(2026, 10, 1), date(2026, 10, 28)
    with override("en"):
        assert format_days(first, last) == "1\u201328 Oct 2026"
        assert format_days(first, first) == "1 Oct 2026"
        assert format_days(date(2025, 12, 30), date(2026, 1, 5)) == "30 Dec 2025 \u2013 5 Jan 2026"
    with override("pt-br"):
        assert format_days(first, last) == "1\u201328 out. 2026"


def test_it_writes_ages_in_columns_short() -> None:
    ages = {34: "34 s", 125: "2 min", 7_200: "2 h", 40 * 86_400: "40 d"}
    for seconds, text in ages.items():
        at = NOW - timedelta(seconds=seconds)
        assert describe_short_age(at, now=NOW) == text.replace(" ", "\u00a0")
