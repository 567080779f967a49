"""Properties of decoding and validating: arbitrary input never raises, every reading ends once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry.core.batch import RawMessage
from telemetry.core.fast_path import _read_instant_us
from telemetry.core.fleet_cache import DeviceEntry, GatewayEntry
from telemetry.core.json_tree import (
    _HAZARD,
    Members,
    as_storable_json,
    find_repeated_key,
    read_json,
)
from telemetry.core.payload import decode_payload, reduce_payload
from telemetry.core.reading import (
    to_decimal,
    to_instant,
    to_microseconds,
    to_ten_thousandths,
)
from telemetry.core.reasons import Reason, RejectedError
from telemetry.core.texts import choose_unit
from telemetry.core.topic import compile_topic, parse_topic
from telemetry.core.validator import Contract, ValidatedMessage, Validator
from telemetry.core.values import read_timestamp, read_value

MAC = "aa:bb:cc:dd:ee:ff"
TOPIC = f"tds_new/devices/{MAC}/telemetry"
NOW = datetime(2026, 2, 18, 12, 0, tzinfo=UTC)
GATEWAYS = {
    MAC: GatewayEntry(
        1,
        1,
        MAC,
        True,
        {
            "D01": DeviceEntry(11, True, True, "kWh"),
            "D03": DeviceEntry(13, True, False, "C"),
            "D04": DeviceEntry(14, False, True, "kWh"),
            "D05": DeviceEntry(15, True, False, ""),
            "D06": DeviceEntry(16, True, False, "m\u00b3", limit=10_000_000),
        },
    )
}
CONTRACT = Contract(compile_topic("tds_new"), 65536, timedelta(seconds=300), timedelta(days=400))


VALIDATOR = Validator(CONTRACT, GATEWAYS, received_at=NOW)
VALIDATOR_RAW_ALWAYS, VALIDATOR_RAW_NEVER = (
    Validator(msgspec.structs.replace(CONTRACT, keep_raw=keep), GATEWAYS, received_at=NOW)
    for keep in ("always", "never")
)


def validate(payload: bytes, *, topic: str = TOPIC) -> ValidatedMessage:
    mac = parse_topic(topic, CONTRACT.topic_pattern)
    return VALIDATOR.validate(RawMessage(topic, payload), mac)


def as_parts(validated_message: ValidatedMessage) -> tuple[object, ...]:
    *parts, rejections = msgspec.structs.astuple(
        msgspec.structs.replace(validated_message, places=[])
    )
    places = list(validated_message.places)[: len(validated_message.good)]
    return *parts, places, [msgspec.structs.astuple(other) for other in rejections]


def assert_validated_alike(text: str) -> None:
    """The fast path, the typed way and the loose one come to the same, whatever `raw` keeps."""
    raw = RawMessage(TOPIC, text.encode())
    fast = as_parts(VALIDATOR.validate(raw, MAC))
    assert fast == as_parts(VALIDATOR.validate_fully(raw, MAC))
    if text.endswith("}"):  # with a further key of the message only the loose way is left
        loose = RawMessage(TOPIC, f'{text[:-1]},"fw":1}}'.encode())
        assert without_details(fast) == without_details(as_parts(VALIDATOR.validate(loose, MAC)))
    for keeping_raw in (VALIDATOR_RAW_ALWAYS, VALIDATOR_RAW_NEVER):
        other = as_parts(keeping_raw.validate(raw, MAC))
        assert without_raw(fast) == without_raw(other)


def without_details(parts: tuple[object, ...]) -> tuple[object, ...]:
    *others, rejections = parts
    return *others, [(rejection[0], *rejection[2:]) for rejection in rejections]  # type: ignore[attr-defined]


def without_raw(parts: tuple[object, ...]) -> tuple[object, ...]:
    mac, gateway, count, rows, *others = parts
    return mac, gateway, count, [(*row[:4], *row[5:]) for row in rows], *others  # type: ignore[attr-defined]


def message(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "gateway_mac": MAC,
        "timestamp": "2026-02-18T11:00:00Z",
        "leituras": [{"dispositivo_codigo": "D01", "valor": 1, "unidade": "kWh"}],
    }
    return json.dumps({**fields, **changes}).encode()


def assert_balanced(validated_message: ValidatedMessage) -> None:
    """Every reading ends exactly once, or the message is rejected whole, once."""
    whole = [rejection for rejection in validated_message.rejections if rejection.index is None]
    if whole:
        assert len(validated_message.rejections) == 1
        assert validated_message.good == []
        assert validated_message.readings_count == 0
        return
    positions = [r.index for r in validated_message.rejections if r.index is not None]
    assert sorted([*validated_message.places, *positions]) == list(
        range(validated_message.readings_count)
    )
    assert validated_message.readings_count >= 1


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
near_items = st.fixed_dictionaries(
    {},
    optional={
        "dispositivo_codigo": st.sampled_from(["D01", "D03", "D04", "D99", "", "x" * 21])
        | json_values,
        "valor": st.sampled_from([1, -1, "1.5", "NaN", "1_0", True, None, "1e99999"]) | json_values,
        "unidade": st.sampled_from(["kWh", "C", "", "x" * 11]) | json_values,
        "rssi": json_values,
    },
)
near_messages = st.fixed_dictionaries(
    {},
    optional={
        "gateway_mac": st.sampled_from([MAC, MAC.upper(), "x"]) | json_values,
        "timestamp": st.sampled_from(["2026-02-18T11:00:00Z", "2026-02-18", "x"]) | json_values,
        "leituras": st.lists(near_items | json_values, max_size=4) | json_values,
        "fw": json_values,
    },
)


@given(st.binary(max_size=300))
def test_it_never_raises_when_the_payload_is_arbitrary_bytes(payload: bytes) -> None:
    assert_balanced(validate(payload))


@given(near_messages)
def test_it_ends_every_reading_once_when_a_message_is_nearly_right(fields: object) -> None:
    assert_balanced(validate(json.dumps(fields).encode()))


@given(st.text(), st.binary(max_size=20))
def test_it_never_raises_when_the_topic_is_arbitrary(topic: str, payload: bytes) -> None:
    validated_message = validate(payload, topic=topic)
    assert validated_message.rejections[0].reason is Reason.BAD_TOPIC


plain_numbers = st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(
    min_value=-1000, max_value=1000, places=5
)
ODD_NUMBERS = [
    *("-0", "-0.00001", "0.00000", "1e3", "1E+2", "99999999999.99995", "1e-99999", "1e400"),
    *("01", "+1", ".5", '"1"', '"1_0"', '"NaN"', "NaN", "true", '"\\u0031"'),
    *("Infinity", "-Infinity", "-NaN", '"Infinity"', '" +0042.5 "', '"42,5"', '"-7e-1\t"'),
    *("1e-99999999999999999999", "0e99999999999999999999", "1E99999999999999999999"),
    *("-1e-999999999", '"1e-999999999"', '"1e999999999"', "999.9999", "999.99995", "1000"),
    *("999.99994999", "1e3", "[1]", '{"a":1,"a":2}', '"\\u0000"', '"1\\ud800"', "null"),
    *("nan", "-nan", "+NAN", "inf", "-Inf", "INFINITY", "nano", "1nan", "--inf", '"nan"'),
]
number_texts = plain_numbers.map(str) | st.integers().map(str) | st.sampled_from(ODD_NUMBERS)
TIMESTAMPS = [
    "2026-02-18T11:00:00Z",
    "2026-02-18T11:00:00.123456Z",
    "2026-02-18T11:00:00.1234567Z",
    "2026-02-18t11:00:00.123456Z",
    "2026-02-18 11:00:00.123456+00:00",
    "2026-02-18T11:00:00.123456z",
    "2026-02-18T11:00:00.123456Z ",
    "2026-02-18T11:00:00.123456+00:00\\u0000",
    "2026-W08-3T11:00:00.123456Z",
    "2026-W08-3T11:00:00Z",
    "2026-049T11:00:00.123456Z",
    "2026-02-18T24:00:00.123456Z",
    "2026-02-17T24:00:00Z",
    "2026-02-18T11:00:60.123456Z",
    "2026-02-30T11:00:00.123456Z",
    "2026-02-18T11:00:00,123456Z",
    "2026-02-18T11:00:00.\u06610\u0660\u0660\u0660\u0660Z",
    "2026-02-18T11:00:00+00:00",
    "2026-02-18T08:00:00-03:00",
    "2026-02-18x11:00:00Z",
    "20260218T110000Z",
    "2026-02-18T11:00Z",
    "2026-02-18T11:00:00",
    "2026-02-18",
    "2030-01-01T00:00:00Z",
    "2020-01-01T00:00:00Z",
]
ODD_MACS = [
    *(MAC, MAC, MAC.upper(), MAC.replace(":", "-"), MAC.replace(":", "").upper()),
    *("aa:bb:cc:dd:ee:00", f"{MAC} ", f"{MAC}\\u0000", MAC.replace(":", "-", 1), ""),
]
ODD_CODES = [
    *("D01", "D03", "D04", "D05", "D06", "D9", "", "\\u0044\\u0030\\u0031"),
    *("D01\\u0000", "D0\x7f", "D01 ", "\\ud800", "x" * 21),
]
ODD_UNITS = [
    *("kWh", "C", 'k\\"', "\u00b0C", "", " kWh ", "\u00a0kWh", "KWH"),
    *(" ", "\u00a0"),
    *("m3", "m\u00b3", "m\\u00b3", "M3", "\u2103", "kW\\u0000h", "kWh\x7f", "\x85"),
    *("k\u200bWh", "\\udc00", "\u33a5", "          kWh", "\\t"),
]
ODD_TAILS = [
    *("", "", ',"rssi":1', ',"valor":2', ',"unidade":"C"', ',"unid\\u0061de":"C"'),
    *(',"rssi":1,"rssi":1', ',"valor":NaN', ',"rssi":NaN', ',"x":"NaN"'),
    *(',"valor":nan', ',"rssi":-inf', ',"x":"nan"', ',"x":"a \\" nan"', ",nan:1", ',"x":nan'),
    *(',"id":"1e123456-1e99"', ',"x":1e999999', ',"x":"\\u0000"', ',"x":"\\ud800"'),
    *(',"x":{"a":[{"b":1,"b":2}]}', ',"x":[{"valor":Infinity}]', ',"":{"":{}}'),
]
MESSAGE = '{{"gateway_mac":"{}","timestamp": "{}","leituras":[{}]}}'.format
READING = '{{"dispositivo_codigo":"{}","valor":{},"unidade":"{}"{}}}'.format
GOOD_TIME = "2026-02-18T11:00:00.123456Z"
plain_texts = st.builds(
    MESSAGE,
    st.sampled_from(ODD_MACS),
    st.sampled_from([*TIMESTAMPS, GOOD_TIME]),
    st.lists(
        st.builds(
            READING,
            st.sampled_from(ODD_CODES),
            number_texts,
            st.sampled_from(ODD_UNITS),
            st.sampled_from(ODD_TAILS),
        ),
        max_size=3,
    ).map(",".join),
)


def list_single_oddities(code: str, unit: str) -> Iterator[str]:
    """Messages that leave the fast path for one reason alone, so that nothing else hides it."""
    good = READING(code, 1, unit, "")
    yield from (MESSAGE(mac, GOOD_TIME, good) for mac in ODD_MACS)
    yield from (MESSAGE(MAC, time, good) for time in TIMESTAMPS)
    readings = [
        *(READING(odd, 1, unit, "") for odd in ODD_CODES),
        *(READING(code, odd, unit, "") for odd in ODD_NUMBERS),
        *(READING(code, 1, odd, "") for odd in ODD_UNITS),
        *(READING(code, 1, unit, odd) for odd in ODD_TAILS),
    ]
    yield from (MESSAGE(MAC, GOOD_TIME, reading) for reading in readings)
    yield from (MESSAGE(MAC, GOOD_TIME, f"{good},{reading}") for reading in readings)


@pytest.mark.parametrize(
    ("code", "unit"), [("D01", "kWh"), ("D03", "C"), ("D05", "any"), ("D06", "m\u00b3")]
)
def test_it_validates_alike_on_all_ways_when_one_thing_is_odd(code: str, unit: str) -> None:
    for text in list_single_oddities(code, unit):
        assert_validated_alike(text)
        assert_validated_alone_alike(text.encode())


@given(plain_texts)
@example(f'{{"gateway_mac":"{MAC}","timestamp":"2026-02-18T11:00:00Z","leituras":[]}}')
def test_it_accepts_nothing_on_the_straight_way_that_the_careful_way_does_not(text: str) -> None:
    assert_validated_alike(text)


exact_numbers = st.builds(
    lambda digits, places: format(Decimal(digits).scaleb(-places), "f"),
    st.integers(-(10**16), 10**16),
    st.integers(0, 12),
)
near_halves = st.builds(
    lambda number, tail: f"{number // 10_000}.{number % 10_000:04d}{tail}",
    st.integers(0, 10**15),
    st.sampled_from(["5", "49999999", "50000001", "4999999999999999999", "5000000000000000001"]),
)
readable_numbers = exact_numbers | near_halves | st.floats(allow_nan=False, allow_infinity=False)


@given(readable_numbers.map(str))
@example("99999999999.9999")
@example("99999999999.99994")
@example("-99999999999.99996")
@example("0.00005")
@example("1.797693134862316e+304")
def test_it_reads_every_number_alike_on_both_ways(number: str) -> None:
    """Values pass through a float on the fast path: it must never show."""
    assert_validated_alike(
        f'{{"gateway_mac":"{MAC}","timestamp":"2026-02-18T11:00:00.5Z","leituras":['
        f'{{"dispositivo_codigo":"D03","valor":{number},"unidade":"C"}},'
        f'{{"dispositivo_codigo":"D05","valor":{number},"unidade":"any"}}]}}'
    )


instants = st.datetimes(datetime(2025, 1, 1), datetime(2026, 2, 19))  # noqa: DTZ001 - zone below
instant_texts = st.builds(
    lambda at, timespec, zone, place, other: (
        (text := at.isoformat(timespec=timespec) + zone)[:place] + other + text[place + 1 :]
        if other
        else at.isoformat(timespec=timespec) + zone
    ),
    instants,
    st.sampled_from(["microseconds", "microseconds", "milliseconds", "seconds"]),
    st.sampled_from(["Z", "+00:00", "-03:00", "z", "", "+00:00:00"]),
    st.integers(0, 26),
    st.sampled_from(["", "", "", "0", "9", " ", "T", "_", "+", "\u0663"]),
)


@given(instant_texts)
@example("2026-01-01T000000.1.456789Z")
@example("2026-01-01T000000,1.456789Z")
@example("2026-02-18T11:00:00.4567890Z")
def test_it_reads_every_timestamp_alike_on_both_ways(text: str) -> None:
    assert_validated_alike(
        f'{{"gateway_mac":"{MAC}","timestamp":"{text}","leituras":['
        f'{{"dispositivo_codigo":"D01","valor":1.5,"unidade":"kWh"}}]}}'
    )


def test_it_takes_the_straight_way_when_a_message_is_plain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Validator, "validate_fully", None)
    validated_message = validate(message())
    assert validated_message.good == [
        (11, to_microseconds(datetime(2026, 2, 18, 11, tzinfo=UTC)), 10_000, "kWh", None, 1, 1)
    ]


def assert_validated_alone_alike(payload: bytes) -> None:
    """Every reading of a message ends as it does when it is sent again alone."""
    validated_message = validate(payload)
    for rejection in validated_message.rejections:
        if rejection.index is None:
            continue
        again = validate(reduce_payload(payload, rejection.index))
        assert [other.reason for other in again.rejections] == [rejection.reason]
    for place, row in zip(validated_message.places, validated_message.good, strict=False):
        again = validate(reduce_payload(payload, place))
        assert again.good == [row]


@given(st.lists(near_items, min_size=1, max_size=4))
def test_it_validates_a_reading_alike_when_it_is_sent_again_alone(items: list[object]) -> None:
    assert_validated_alone_alike(message(leituras=items))


@given(plain_texts)
@example(
    f'{{"gateway_mac":"{MAC}","timestamp":"2026-02-18T11:00:00Z","leituras":['
    '{"dispositivo_codigo":"D01","valor":NaN,"unidade":"kWh","unidade":"MWh"},'
    '{"dispositivo_codigo":"D03","valor":-Infinity,"unidade":"C"},'
    '{"dispositivo_codigo":"D03","valor":1,"unidade":"C"}]}'
)
def test_it_validates_a_reading_alike_alone_when_keys_come_twice_or_values_are_bare_words(
    text: str,
) -> None:
    assert_validated_alone_alike(text.encode())


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
def test_it_refuses_a_value_when_it_is(text: str, reason: Reason) -> None:
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
def test_it_refuses_a_timestamp_when_it_is_ambiguous_or_unreadable(text: str) -> None:
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


@pytest.mark.parametrize(
    ("payload", "reason", "detail"),
    [
        pytest.param(b"", Reason.BAD_JSON, "", id="nothing"),
        pytest.param(b"\xef\xbb\xbf{}", Reason.BAD_JSON, "", id="a byte order mark"),
        pytest.param(b'{"a":"\xff"}', Reason.BAD_JSON, "UTF-8", id="not UTF-8 in a skipped key"),
        pytest.param(b"[" * 100_000, Reason.BAD_JSON, "", id="nested deeply"),
        pytest.param(
            b'{"a":' + b"[" * 9999 + b"]" * 9999 + b"}", Reason.BAD_JSON, "deep", id="deep key"
        ),
        pytest.param(b'{"a":NaN}', Reason.BAD_JSON, "", id="a bare NaN"),
        pytest.param(
            message(fw={"valor": float("nan")}), Reason.BAD_JSON, "NaN", id="a NaN that is no value"
        ),
        pytest.param(
            message(leituras=[{"valor": [float("inf")]}]),
            Reason.BAD_JSON,
            "Infinity",
            id="an Infinity inside a value",
        ),
        pytest.param(
            message(valor=float("nan")), Reason.BAD_JSON, "NaN", id="a NaN beside the readings"
        ),
        pytest.param(message().replace(b"1,", b"--NaN,"), Reason.BAD_JSON, "", id="two signs"),
        pytest.param(message().replace(b"1,", b"nano,"), Reason.BAD_JSON, "", id="another word"),
        pytest.param(message().replace(b"1,", b"1nan,"), Reason.BAD_JSON, "", id="half a number"),
        pytest.param(
            message(unidade="\ud800"), Reason.BAD_JSON, "surrogate", id="half a character"
        ),
        pytest.param(
            message()[:-1] + b',"timestamp":"x"}', Reason.BAD_SCHEMA, "timestamp: comes", id="twice"
        ),
        pytest.param(
            message()[:-1] + b',"l\\u0065ituras":[]}',
            Reason.BAD_SCHEMA,
            "leituras: comes",
            id="twice, once with an escape",
        ),
        pytest.param(
            message()[:-1] + b',"fw":{"a":1,"a":1}}',
            Reason.BAD_SCHEMA,
            "a: comes",
            id="twice in a further key",
        ),
        pytest.param(message() + b"x", Reason.BAD_JSON, "", id="trailing text"),
        pytest.param(
            message(gateway_mac=5), Reason.BAD_SCHEMA, "gateway_mac", id="MAC is a number"
        ),
        pytest.param(message(timestamp=5), Reason.BAD_SCHEMA, "timestamp", id="time is a number"),
        pytest.param(message(leituras=[]), Reason.BAD_SCHEMA, "leituras", id="no readings"),
    ],
)
def test_it_refuses_the_whole_message_when_it_has(
    payload: bytes, reason: Reason, detail: str
) -> None:
    with pytest.raises(RejectedError) as caught:
        decode_payload(payload)
    assert caught.value.reason is reason
    assert detail in caught.value.detail


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"valor": 1, "unidade": "kWh"}, "leituras[0].dispositivo_codigo"),
        ({"dispositivo_codigo": "D01", "unidade": "kWh"}, "leituras[0].valor"),
        ({"dispositivo_codigo": "D01", "valor": None, "unidade": "kWh"}, "leituras[0].valor"),
        ({"dispositivo_codigo": "D01", "valor": 1}, "leituras[0].unidade"),
        ({"dispositivo_codigo": "D" * 21, "valor": 1, "unidade": "kWh"}, "dispositivo_codigo"),
        ({"dispositivo_codigo": "D01", "valor": 1, "unidade": ""}, "leituras[0].unidade"),
        ({"dispositivo_codigo": "D01", "valor": 1, "unidade": " "}, "leituras[0].unidade"),
        ({"dispositivo_codigo": "D05", "valor": 1, "unidade": "\u00a0\t"}, "leituras[0].unidade"),
        ({"dispositivo_codigo": "D05", "valor": 1, "unidade": "\u00a0"}, "leituras[0].unidade"),
        ({"dispositivo_codigo": "D05", "valor": 1, "unidade": "k\x7f"}, "leituras[0].unidade"),
        ({"dispositivo_codigo": "D05", "valor": 1, "unidade": "\x85"}, "leituras[0].unidade"),
        ({"dispositivo_codigo": "D\0", "valor": 1, "unidade": "k"}, "[0].dispositivo_codigo"),
        ({"dispositivo_codigo": "D05", "valor": True, "unidade": "k"}, "leituras[0].valor"),
        ("text", "leituras[0]"),
    ],
)
def test_it_names_the_field_when_one_reading_has_a_bad_form(item: object, field: str) -> None:
    good = {"dispositivo_codigo": "D01", "valor": 1, "unidade": "kWh"}
    validated_message = validate(message(leituras=[item, good]))
    assert [rejection.reason for rejection in validated_message.rejections] == [Reason.BAD_SCHEMA]
    assert field in validated_message.rejections[0].detail
    assert list(validated_message.places) == [1]


def test_it_checks_in_the_order_of_the_contract_when_several_things_are_wrong() -> None:
    bad = {"dispositivo_codigo": "D99", "valor": "NaN", "unidade": "x"}
    assert validate(message(leituras=[bad])).rejections[0].reason is Reason.UNKNOWN_DEVICE
    bad["dispositivo_codigo"] = "D04"
    assert validate(message(leituras=[bad])).rejections[0].reason is Reason.INACTIVE_DEVICE
    bad["dispositivo_codigo"] = "D01"
    assert validate(message(leituras=[bad])).rejections[0].reason is Reason.BAD_VALUE
    bad["valor"] = "-1"
    assert validate(message(leituras=[bad])).rejections[0].reason is Reason.NEGATIVE_VALUE
    bad["valor"] = "1"
    assert validate(message(leituras=[bad])).rejections[0].reason is Reason.UNIT_MISMATCH
    wrong = message(gateway_mac="x", timestamp="x", leituras="x")
    assert validate(wrong).rejections[0].reason is Reason.BAD_SCHEMA
    wrong = message(gateway_mac="x", timestamp="x")
    assert validate(wrong).rejections[0].reason is Reason.MAC_MISMATCH


@pytest.mark.parametrize(
    "word",
    [
        sign + word
        for sign in ("", "-", "+")
        for word in ("nan", "NaN", "NAN", "inf", "INF", "Inf", "infinity", "INFINITY", "Infinity")
    ],
)
def test_it_refuses_one_reading_alone_when_its_value_is_a_bare_word(word: str) -> None:
    beside = '{"dispositivo_codigo":"D01","valor":2.5,"unidade":"kWh","note":"nan, \\"inf"}'
    bad = f'{{"dispositivo_codigo":"D03","valor":{word},"unidade":"C"}}'
    payload = MESSAGE(MAC, GOOD_TIME, f"{bad},{beside}").encode()
    validated_message = validate(payload)
    [rejection] = validated_message.rejections
    assert (rejection.reason, rejection.index) == (Reason.BAD_VALUE, 0)
    assert rejection.detail.endswith(f"got {word}")
    assert [row[2] for row in validated_message.good] == [25_000]
    assert bad.encode() in reduce_payload(payload, 0)
    assert_validated_alone_alike(payload)


@pytest.mark.parametrize("word", ["nan", "-inf", "INFINITY"])
@pytest.mark.parametrize(
    "text",
    [
        READING("D01", 1, "kWh", ',"rssi":{}'),
        READING("D01", "[{}]", "kWh", ""),
        '{{"dispositivo_codigo":{},"valor":1,"unidade":"kWh"}}',
        READING("D01", 1, "kWh", "") + ",{}",
    ],
    ids=["a further key", "a list", "a code", "a reading"],
)
def test_it_refuses_a_message_when_a_bare_word_is_no_value_of_a_reading(
    text: str, word: str
) -> None:
    payload = MESSAGE(
        MAC, GOOD_TIME, text.replace("{}", word).replace("{{", "{").replace("}}", "}")
    )
    assert [rejection.reason for rejection in validate(payload.encode()).rejections] == [
        Reason.BAD_JSON
    ]


def test_it_reads_a_message_once_for_all_its_dead_letters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings = ",".join([READING("D03", "NaN", "C", "")] * 500)
    text = MESSAGE(MAC, GOOD_TIME, readings)
    asked: list[str] = []

    def read(given: str) -> object:
        asked.append(given)
        return read_json(given)

    monkeypatch.setattr("telemetry.core.payload.read_json", read)
    alone = {reduce_payload(text.encode(), index) for index in range(500)}
    assert len(alone) == 1
    assert asked == [text]


@pytest.mark.parametrize("tail", ["x" * 60_000, "." + "1" * 60_000 + "Z"])
def test_it_keeps_no_long_text_of_a_message(tail: str) -> None:
    good = READING("D05", 1, "any", "")
    validate(MESSAGE(MAC, GOOD_TIME, good).encode())
    kept = choose_unit.cache_info().currsize, _read_instant_us.cache_info().currsize
    for text in (
        MESSAGE(MAC, "2026-02-18T11:00:00" + tail, good),
        MESSAGE(MAC, GOOD_TIME + tail, good),
        MESSAGE(MAC, GOOD_TIME, READING("D05", 1, tail, "")),
    ):
        assert validate(text.encode()).rejections
    assert (choose_unit.cache_info().currsize, _read_instant_us.cache_info().currsize) == kept


class CountingKey(str):
    """A key that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        CountingKey.compared += 1
        return str.__eq__(self, str(other))

    __hash__ = str.__hash__


def test_it_finds_a_key_that_comes_twice_in_one_pass() -> None:
    keys = [CountingKey(f"k{number}") for number in range(2_000)]
    members = Members((key, None) for key in [*keys, CountingKey("k1999")])
    CountingKey.compared = 0
    assert find_repeated_key(members) == "k1999"
    assert CountingKey.compared < 2 * len(members)


def test_it_looks_at_a_long_number_once() -> None:
    """A run of digits that is tried from each of its digits costs the square of its length."""
    digits = "1" * 10_000
    assert _HAZARD.search("-" + digits)
    assert _HAZARD.search("1e5" + digits)
    assert not any(_HAZARD.match(digits, place) for place in range(1, 900))


def test_it_keeps_further_keys_as_they_were_written() -> None:
    payload = (
        b'{"gateway_mac":"aa:bb:cc:dd:ee:ff","timestamp":"2026-02-18T11:00:00Z","leituras":'
        b'[{"dispositivo_codigo":"D01","valor":1,"unidade":"kWh","rssi":-70.10}],"fw":"1"}'
    )
    assert validate(payload).good[0][4] == '{"rssi":-70.10}'


@pytest.mark.parametrize(
    "text",
    [
        '{"a":"\\u0000"}',
        '{"\\u0000":1}',
        '{"a":1e131072}',
        '{"a":[1e-16384]}',
        '{"a":0e99999999999}',
        "[" + ",".join(["1e131071"] * 2) + "]",
    ],
)
def test_it_wraps_json_when_jsonb_would_not_take_it(text: str) -> None:
    assert json.loads(as_storable_json(read_json(text))) == {"json_text": text}


@pytest.mark.parametrize(
    "text",
    [
        '{"id":"550e8400-e29b-41d4-a716-446655440000"}',
        '{"id":"1e123456-1e99-4000-8000-000000000000","node":"node-1e1234","u":"\\\\u0000"}',
        '{"a":1e999,"b":1e-999}',
        '{"a":' + "1" * 300 + "}",
        "[" * 200 + "]" * 200,
    ],
    ids=lambda text: text[:12],
)
def test_it_keeps_json_when_jsonb_takes_it_whatever_it_looks_like(text: str) -> None:
    assert as_storable_json(read_json(text)) == text


@pytest.mark.parametrize(
    "topic",
    [
        "tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry\n",
        "tds_new/devices/not-a-mac/telemetry",
        "x/tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry",
        "tds_new/devices/aa:bb-cc:dd-ee:ff/telemetry",
        "tds_new/devices/aabbccddeef/telemetry",
        "tds_new/devices/aabb.ccdd.eeff/telemetry",
        "tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry/",
        "tds_new/devices/aa:bb:cc:dd:ee:ff/Telemetry",
        "tds_new/device/aa:bb:cc:dd:ee:ff/telemetry",
        "tds_new/devices/\u0661a:bb:cc:dd:ee:ff/telemetry",
    ],
)
def test_it_refuses_a_topic_when_it_has_another_form(topic: str) -> None:
    assert parse_topic(topic, compile_topic("tds_new")) is None


def test_it_lowers_the_mac_when_the_topic_has_upper_case() -> None:
    assert (
        parse_topic(
            TOPIC.upper()
            .replace("TDS_NEW/DEVICES", "tds_new/devices")
            .replace("TELEMETRY", "telemetry"),
            compile_topic("tds_new"),
        )
        == MAC
    )


@pytest.mark.parametrize("mac", ["AA-BB-CC-DD-EE-FF", "aabbccddeeff", "Aa:bB:cC:dD:eE:fF"])
def test_it_knows_a_mac_in_every_form_of_topic_and_payload(mac: str) -> None:
    topic = f"tds_new/devices/{mac}/telemetry"
    assert parse_topic(topic, compile_topic("tds_new")) == MAC
    validated_message = validate(message(gateway_mac=mac.swapcase()), topic=topic)
    assert (validated_message.mac, len(validated_message.good)) == (MAC, 1)


@pytest.mark.parametrize(
    "topic",
    [
        "tds_new/devices/AA-BB-CC-DD-EE-FF/telemetry/",
        "tds_new/device/aabbccddeeff/Telemetry",
        "tds_new/aa:bb:cc:dd:ee:ff",
        "tds_new/de:ad:be:ef:00:01/aa:bb:cc:dd:ee:ff ",
        "tds_new/devices/aabbccddeeff-telemetry",
        "tds_new/devices/aa:bb:cc:dd:ee:ff-telemetry",
        "tds_new/devices/aa-bb-cc-dd-ee-ff-data",
        "tds_new/devices-aabbccddeeff/telemetry",
        "tds_new/device-aa-bb-cc-dd-ee-ff/telemetry",
        "tds_new/mac:aabbccddeeff/telemetry",
        "tds_new/devices/aa:bb:cc:dd:ee:ff:/telemetry",
        "tds_new/devices_aa:bb:cc:dd:ee:ff_telemetry",
    ],
)
def test_it_names_the_gateway_when_a_wrong_topic_shows_its_mac(topic: str) -> None:
    validated_message = validate(message(), topic=topic)
    assert [rejection.reason for rejection in validated_message.rejections] == [Reason.BAD_TOPIC]
    assert validated_message.gateway == GATEWAYS[MAC]
    assert (
        validated_message.mac == ""
    )  # or the reject guard would count the gateway as one that is rejected


@pytest.mark.parametrize(
    "topic",
    [
        "x",
        "tds_new/00aabbccddeeff00/telemetry",
        "tds_new/de:ad:be:ef:00:01/x",
        "/" * 9,
        "tds_new/devices/00:aa:bb:cc:dd:ee:ff/telemetry",
        "tds_new/devices/aa:bb:cc:dd:ee:ff:00/telemetry",
        "tds_new/devices/xaabbccddeeff/telemetry",
        "tds_new/devices/aabbccddeeffx/telemetry",
        "tds_new/550e8400-e29b-41d4-a716-aabbccddeeff/telemetry",
        "tds_new/aa-bb:cc:dd:ee:ff/telemetry",
    ],
)
def test_it_names_no_gateway_when_a_wrong_topic_shows_none_that_is_registered(topic: str) -> None:
    validated_message = validate(message(), topic=topic)
    assert (validated_message.mac, validated_message.gateway) == ("", None)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-(10**15) + 1, 10**15 - 1))
def test_it_keeps_instants_and_values_exactly(instant: datetime, ten_thousandths: int) -> None:
    assert to_instant(to_microseconds(instant)) == instant
    assert to_ten_thousandths(to_decimal(ten_thousandths)) == ten_thousandths
