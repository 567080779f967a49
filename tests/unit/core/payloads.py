"""A fleet, its validator, and what must hold of any message: for the tests of the contract."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from telemetry.core.batch import RawMessage
from telemetry.core.fleet_cache import DeviceEntry, GatewayEntry
from telemetry.core.payload import reduce_payload
from telemetry.core.topic import compile_topic, parse_topic
from telemetry.core.validator import Contract, ValidatedMessage, Validator

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


def validate(payload: bytes, *, topic: str = TOPIC) -> ValidatedMessage:
    mac = parse_topic(topic, CONTRACT.topic_pattern)
    return VALIDATOR.validate(RawMessage(topic, payload), mac)


def message(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "gateway_mac": MAC,
        "timestamp": "2026-02-18T11:00:00Z",
        "leituras": [{"dispositivo_codigo": "D01", "valor": 1, "unidade": "kWh"}],
    }
    return json.dumps({**fields, **changes}).encode()


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


def assert_validated_alone_alike(payload: bytes) -> None:
    """Every reading of a message ends as it does when it is sent again alone."""
    validated_message = validate(payload)
    for rejection in validated_message.rejections:
        if rejection.index is None:
            continue
        again = validate(reduce_payload(payload, rejection.index))
        assert [other.reason for other in again.rejections] == [rejection.reason]
    for place, row in zip(validated_message.indexes, validated_message.good, strict=False):
        again = validate(reduce_payload(payload, place))
        assert again.good == [row]
