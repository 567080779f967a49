"""Values and timestamps: which are read, and which are rejected for what."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.reasons import Reason, RejectedError
from telemetry.core.values import read_timestamp, read_value


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**10), max_value=10**10))
def test_it_reads_numbers_exactly_when_they_are_decimals(value: Decimal) -> None:
    text = format(value, "f")
    rounded = value.quantize(Decimal("0.0001"))
    assert read_value(msgspec.Raw(text.encode())) == rounded
    assert read_value(msgspec.Raw(f'"{text}"'.encode())) == rounded


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("123.45", "123.4500", id="a plain number"),
        pytest.param('"1.00005"', "1.0000", id="half to even, down"),
        pytest.param('"1.00015"', "1.0002", id="half to even, up"),
        pytest.param("1e3", "1000.0000", id="an exponent"),
        pytest.param("-0", "0.0000", id="minus zero is zero"),
        pytest.param("-0.00001", "0.0000", id="rounds to zero, so it is not negative"),
        pytest.param("1e-99999", "0.0000", id="tiny"),
        pytest.param("1e-99999999999999999999", "0.0000", id="an exponent past decimal, negative"),
        pytest.param(
            "-0.0e99999999999999999999", "0.0000", id="zero with an exponent past decimal"
        ),
        pytest.param("0.00005e0", "0.0000", id="half to even with an exponent, down"),
        pytest.param("5.1e-5", "0.0001", id="the smallest that is not zero"),
        pytest.param("0." + "0" * 5000 + "1e5001", "1.0000", id="an exponent that evens out"),
        pytest.param("1e+0000000000000000003", "1000.0000", id="an exponent with leading zeros"),
        pytest.param('" +0042.5\\t"', "42.5000", id="blanks, a sign and leading zeros"),
        pytest.param('"-007E1"', "-70.0000", id="a text with an exponent"),
        pytest.param('"\\u0031"', "1.0000", id="an escaped digit"),
        pytest.param("0." + "1" * 5000, "0.1111", id="thousands of digits"),
        pytest.param("99999999999.99994", "99999999999.9999", id="largest after rounding"),
    ],
)
def test_it_reads_a_value_when_it_is(text: str, value: str) -> None:
    read = read_value(msgspec.Raw(text.encode()))
    assert str(read) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param('"NaN"', Reason.BAD_VALUE, id="NaN as text"),
        pytest.param('"Infinity"', Reason.BAD_VALUE, id="infinity as text"),
        pytest.param('"1_000"', Reason.BAD_VALUE, id="an underscore"),
        pytest.param("NaN", Reason.BAD_VALUE, id="a bare NaN"),
        pytest.param("-Infinity", Reason.BAD_VALUE, id="a bare infinity"),
        pytest.param('" "', Reason.BAD_VALUE, id="blanks"),
        pytest.param('"1 2"', Reason.BAD_VALUE, id="a space inside"),
        pytest.param('"\\n1"', Reason.BAD_VALUE, id="a line break"),
        pytest.param('"\u00a01"', Reason.BAD_VALUE, id="a no-break space"),
        pytest.param('"+-1"', Reason.BAD_VALUE, id="two signs"),
        pytest.param('"42,5"', Reason.BAD_VALUE, id="a decimal comma"),
        pytest.param('"1\\u0000"', Reason.BAD_VALUE, id="a NUL"),
        pytest.param('"1e"', Reason.BAD_VALUE, id="an exponent without digits"),
        pytest.param('""', Reason.BAD_VALUE, id="an empty text"),
        pytest.param('"\u0661"', Reason.BAD_VALUE, id="an Arabic digit"),
        pytest.param("100000000000", Reason.BAD_VALUE, id="ten to the eleventh"),
        pytest.param("99999999999.99995", Reason.BAD_VALUE, id="rounds to ten to the eleventh"),
        pytest.param("1e999999999", Reason.BAD_VALUE, id="a huge exponent"),
        pytest.param("1e99999999999999999999", Reason.BAD_VALUE, id="an exponent past decimal"),
        pytest.param("9" * 5000, Reason.BAD_VALUE, id="thousands of digits"),
        pytest.param("true", Reason.BAD_SCHEMA, id="true"),
        pytest.param("null", Reason.BAD_SCHEMA, id="null"),
        pytest.param("[1]", Reason.BAD_SCHEMA, id="a list"),
        pytest.param("{}", Reason.BAD_SCHEMA, id="an object"),
    ],
)
def test_it_rejects_a_value_when_it_is(text: str, reason: Reason) -> None:
    with pytest.raises(RejectedError) as caught:
        read_value(msgspec.Raw(text.encode()))
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-02-18",
        "2026-02-18T12:46:36",
        "2026-02-18x12:46:36Z",
        "1771418796",
        "2026-13-01T00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-20T10:00:00Z ",
        " 2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00Z\n",
        "2026-11-20T10:00:00+00:00\0",
        "2026-W47-5T10:00:00Z",
        "2026-324T10:00:00Z",
        "20261120T100000Z",
        "2026-11-20T10:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T10:00:60Z",
        "2026-11-20T10:00:00,5Z",
        "2026-11-20T10:00:00.Z",
        "2026-11-20T10:00:00.1234567890Z",
        "2026-11-20  10:00:00Z",
        "2026-11-20_10:00:00Z",
        "2026-11-20T10:00:00+0000",
        "2026-11-20T10:00:00+00",
        "2026-11-20T10:00:00+24:00",
        "2026-11-20T10:00:00+00:00:00",
        "2026-11-20T10:00:00 Z",
        "\u0662026-11-20T10:00:00Z",
    ],
)
def test_it_rejects_a_timestamp_when_it_is_ambiguous_or_unreadable(text: str) -> None:
    with pytest.raises(RejectedError) as caught:
        read_timestamp(text)
    assert caught.value.reason is Reason.BAD_TIMESTAMP


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-02-18T12:46:36.075017+00:00", datetime(2026, 2, 18, 12, 46, 36, 75017, UTC)),
        ("2026-02-18T09:46:36-03:00", datetime(2026, 2, 18, 12, 46, 36, 0, UTC)),
        ("2026-02-18T12:46:36Z", datetime(2026, 2, 18, 12, 46, 36, 0, UTC)),
        ("2026-02-18t12:46:36z", datetime(2026, 2, 18, 12, 46, 36, 0, UTC)),
        ("2026-02-18 12:46:36.1-00:00", datetime(2026, 2, 18, 12, 46, 36, 100_000, UTC)),
        ("2026-02-18T12:46:36.123456999Z", datetime(2026, 2, 18, 12, 46, 36, 123_456, UTC)),
    ],
)
def test_it_reads_a_timestamp_in_utc(text: str, instant: datetime) -> None:
    assert read_timestamp(text) == instant
