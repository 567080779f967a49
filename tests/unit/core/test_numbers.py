"""Numbers are written alike wherever they are shown."""

from decimal import Decimal

import pytest
from django.utils.translation import override

from telemetry.core.numbers import write_number
from telemetry.reporting.files import write_cell
from telemetry.web.formatting import format_exact, format_rounded


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"), ("0.0000", "0"), ("0E-10", "0"), ("-0.0000", "0"), ("-0.00004", "0"),
        ("30.0000", "30"), ("1.2500", "1.25"), ("1E+3", "1000"), ("0.0001", "0.0001"),
        ("1.23455", "1.2346"), ("1.00005", "1"), ("0.3333333333", "0.3333"), ("-2.50", "-2.5"),
        ("99999999999.9999", "99999999999.9999"),
    ],
)  # fmt: skip
def test_it_writes_a_number_in_one_way(value: str, text: str) -> None:
    number = Decimal(value)
    assert write_number(number) == text
    assert write_cell(number, decimals="point") == text
    assert write_cell(number, decimals="comma") == text.replace(".", ",")
    with override("en"):
        assert format_exact(number).replace(",", "") == text
        assert format_rounded(number).replace(",", "") == text
