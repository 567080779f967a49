"""Numbers and ages as people read them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils.translation import override

from telemetry.web.formatting import (
    describe_age,
    format_change,
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
