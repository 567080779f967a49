"""Lines of files as messages: every line becomes one, nothing is guessed, nothing is dropped."""

import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.batch import RawMessage
from telemetry.core.fleet_cache import DeviceEntry, GatewayEntry
from telemetry.core.topic import compile_topic, parse_topic
from telemetry.core.validator import Contract, Validator
from telemetry.imports.converters import (
    NO_MAC,
    HeaderError,
    convert_csv,
    convert_jsonl,
    make_topic,
    read_header,
)
from telemetry.imports.line_batches import BATCH_BYTES, BATCH_MESSAGES, group_lines, skip_lines
from telemetry.imports.lines import MAX_LINE_BYTES, read_lines
from tests.messages import MAC, TOPIC, make_payload

NO_MAC_TOPIC = f"tds_new/devices/{NO_MAC}/telemetry"
HEADER = b"gateway_mac,timestamp,device_code,value,unit"
AT = "2026-11-01T00:00:00Z"
GOOD = f"{MAC},{AT},D01,123.45,kWh".encode()
FLEET = {
    MAC: GatewayEntry(1, 1, MAC, is_active=True, devices={"D01": DeviceEntry(7, True, True, "kWh")})
}
CONTRACT = Contract(compile_topic("tds_new"), 65536, timedelta(seconds=300), timedelta(days=400))


def convert(line: bytes, header: bytes = HEADER) -> RawMessage:
    return convert_csv("tds_new", read_header(header))(line)


def validate(message: RawMessage) -> str:
    """`stored`, or the reason of the rejection."""
    received_at = datetime(2026, 11, 2, tzinfo=UTC)
    mac = parse_topic(message.topic, CONTRACT.topic_pattern)
    validated_message = Validator(CONTRACT, FLEET, received_at=received_at).validate(message, mac)
    assert len(validated_message.good) + len(validated_message.rejections) == 1, (
        "one line is one outcome"
    )
    return validated_message.rejections[0].reason if validated_message.rejections else "stored"


@pytest.mark.parametrize(
    ("header", "line"),
    [
        (b"gateway_mac,timestamp,device_code,value,unit", GOOD),
        (b"gateway_mac;timestamp;dispositivo_codigo;valor;unidade", GOOD.replace(b",", b";")),
        (b"unit,value,device_code,timestamp,gateway_mac", b",".join(reversed(GOOD.split(b",")))),
        (b" Gateway_MAC , Timestamp,Device_Code,VALUE,Unit", GOOD),
        (b'"%b"' % HEADER.replace(b",", b'","'), b'"%b"' % GOOD.replace(b",", b'","')),
    ],
    ids=["English names", "the wire's names, semicolons", "any order", "any case", "quotes"],
)  # fmt: skip
def test_it_makes_the_wires_message_of_a_csv_line(header: bytes, line: bytes) -> None:
    message = convert(line, header)
    assert message == RawMessage(TOPIC, make_payload(valor=123.45))
    assert validate(message) == "stored"


def test_it_keeps_further_columns_with_the_reading() -> None:
    message = convert(GOOD + b",7,\xc3\xa9", HEADER + b",Quality,note")
    [reading] = json.loads(message.payload)["leituras"]
    assert (reading["Quality"], reading["note"]) == ("7", "é")
    assert validate(message) == "stored"


@pytest.mark.parametrize(
    ("text", "value", "outcome"),
    [
        ("0.1000", "0.1000", "stored"),
        ("-3", "-3", "negative_value"),
        ("1e2", "1e2", "stored"),
        ("99999999999.9999", "99999999999.9999", "stored"),
        ('"12,5"', '"12,5"', "bad_value"),
        ("1.234.567", '"1.234.567"', "bad_value"),
        ("+5", '"+5"', "stored"),
        (" 5", '" 5"', "stored"),
        ("05", '"05"', "stored"),
        ("NaN", '"NaN"', "bad_value"),
        ("", '""', "bad_value"),
        ("true", '"true"', "bad_value"),
        ("\u0665", '"\u0665"', "bad_value"),
    ],
)
def test_it_takes_json_numbers_digit_by_digit_and_guesses_no_others(
    text: str, value: str, outcome: str
) -> None:
    message = convert(f"{MAC},{AT},D01,{text},kWh".encode())
    assert f'"valor":{value},'.encode() in message.payload
    assert validate(message) == outcome


@pytest.mark.parametrize(
    ("line", "topic", "reason", "is_raw"),
    [
        (GOOD[:-4], TOPIC, "bad_json", True),
        (GOOD + b",more", TOPIC, "bad_json", True),
        (b"rubbish", NO_MAC_TOPIC, "bad_json", True),
        (b"5", NO_MAC_TOPIC, "bad_json", True),
        (b'{"gateway_mac": "x"}', NO_MAC_TOPIC, "bad_schema", True),
        (b";;;;", NO_MAC_TOPIC, "bad_json", True),
        (GOOD.replace(b"D01", b'"D01'), NO_MAC_TOPIC, "bad_json", True),
        (GOOD.replace(b"D01", b'"D"01'), NO_MAC_TOPIC, "bad_json", True),
        (GOOD.replace(b"kWh", b"\xff"), TOPIC, "bad_json", True),
        (b"\xff" + GOOD, NO_MAC_TOPIC, "bad_json", True),
        (b"\0" * 9, NO_MAC_TOPIC, "bad_json", True),
        (b",,,,", NO_MAC_TOPIC, "mac_mismatch", False),
        (GOOD[17:], NO_MAC_TOPIC, "mac_mismatch", False),
        (b"zz" + GOOD, NO_MAC_TOPIC, "mac_mismatch", False),
        (GOOD.replace(b"D01", b""), TOPIC, "bad_schema", False),
        (GOOD.replace(b"D01", b"D\x0001"), TOPIC, "bad_schema", False),
        (GOOD.replace(b"D01", b"D" * 21), TOPIC, "bad_schema", False),
        (GOOD.replace(b"D01", b"D" * 70_000), TOPIC, "too_large", False),
        (GOOD.replace(b"D01", b'"%b"' % (b"D" * 200_000)), NO_MAC_TOPIC, "too_large", True),
        (GOOD.replace(b"Z", b""), TOPIC, "bad_timestamp", False),
        (GOOD.replace(b"2026", b"2020"), TOPIC, "timestamp_out_of_range", False),
        (GOOD.replace(MAC.encode(), b"aa:aa:aa:aa:aa:aa"), TOPIC.replace(MAC, "aa:aa:aa:aa:aa:aa"),
            "unknown_gateway", False),
        (GOOD.replace(b"kWh", b"m3"), TOPIC, "unit_mismatch", False),
        (GOOD.replace(b"123", b"-123"), TOPIC, "negative_value", False),
    ],
    ids=["a column less", "a column more", "one word", "a number", "JSON without a MAC",
        "other delimiter", "open quote", "quote inside", "not UTF-8", "not UTF-8 in the MAC",
        "NULs", "all empty", "empty MAC", "no MAC", "empty code", "NUL in the code", "long code",
        "over 64 KiB", "cell over csv's limit", "no offset", "too old", "unknown gateway", "unit",
        "negative"],
)  # fmt: skip
def test_it_sends_every_odd_csv_line_with_a_fitting_reason(
    line: bytes, topic: str, reason: str, is_raw: bool
) -> None:
    message = convert(line)
    assert message.topic == topic
    assert (message.payload == line) == is_raw
    assert validate(message) == reason


@pytest.mark.parametrize(
    ("line", "topic", "reason"),
    [
        (make_payload(), TOPIC, "stored"),
        (make_payload(mac=MAC.upper()), TOPIC, "stored"),
        (b"  " + make_payload() + b"  ", TOPIC, "stored"),
        (make_payload(mac="zz"), NO_MAC_TOPIC, "mac_mismatch"),
        (b'{"gateway_mac": 5}', NO_MAC_TOPIC, "bad_schema"),
        (b"{}", NO_MAC_TOPIC, "bad_schema"),
        (b"[]", NO_MAC_TOPIC, "bad_json"),
        (b"null", NO_MAC_TOPIC, "bad_json"),
        (b"{", NO_MAC_TOPIC, "bad_json"),
        (b"[" * 60_000, NO_MAC_TOPIC, "bad_json"),
        (b"\xff\xfe", NO_MAC_TOPIC, "bad_json"),
        (b'{"gateway_mac": "\xff"}', NO_MAC_TOPIC, "bad_json"),
        (b'{"gateway_mac": "\\ud800"}', NO_MAC_TOPIC, "bad_json"),
        (make_payload() + make_payload(), NO_MAC_TOPIC, "bad_json"),
        (make_payload(code="D" * 70_000), TOPIC, "too_large"),
        (b"x" * (MAX_LINE_BYTES + 1), NO_MAC_TOPIC, "too_large"),
    ],
    ids=lambda value: None if isinstance(value, str) else value[:20].decode(errors="replace"),
)
def test_it_sends_every_jsonl_line_as_it_stands(line: bytes, topic: str, reason: str) -> None:
    message = convert_jsonl("tds_new")(line)
    assert message == RawMessage(topic, line)
    assert validate(message) == reason


@given(st.binary(max_size=200))
def test_it_converts_anything_without_an_error(line: bytes) -> None:
    for message in (convert(line), convert_jsonl("tds_new")(line)):
        validate(message)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"gateway_mac,timestamp,device_code", "lacks value, unit"),
        (b"a|b|c", "lacks gateway_mac, timestamp, device_code, value, unit"),
        (GOOD, "lacks gateway_mac"),
        (HEADER + b",valor", "has valor twice"),
        (HEADER + b",note,note", "has note twice"),
        (HEADER + b",", "column 6 of the header has no name"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b'"gateway_mac', "lacks gateway_mac"),
    ],
)
def test_it_names_what_is_wrong_with_a_header(header: bytes, words: str) -> None:
    with pytest.raises(HeaderError, match=words):
        read_header(header)


def test_it_makes_no_topic_of_anything_but_a_mac() -> None:
    assert make_topic("p/q", "AA:BB:CC:DD:EE:FF") == f"p/q/devices/{MAC}/telemetry"
    for text in ("", "+", "#", f"{MAC}\n", f"{MAC}/x"):
        assert make_topic("p/q", text) == f"p/q/devices/{NO_MAC}/telemetry"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no BOM", "BOM"])
def test_it_reads_lines_with_any_end_and_knows_where_they_stand(end: bytes, mark: bytes) -> None:
    data = mark + end.join([b"one", b"", b"  ", b"four"])
    lines = list(read_lines(BytesIO(data)))
    assert [line.body for line in lines] == [b"one", b"", b"  ", b"four"]
    assert [line.is_empty for line in lines] == [False, True, True, False]
    assert [line.number for line in lines] == [1, 2, 3, 4]
    for line, after in pairwise(lines):
        assert data[line.end :].startswith(after.body + end * (after.number < 4))
    assert lines[-1].end == len(data)


@pytest.mark.parametrize("extra", [-3, -2, -1, 0, 1, 2, 3, 4, 3_000_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""], ids=["LF", "CRLF", "none"])
def test_it_cuts_a_line_only_when_it_is_too_long_for_the_contract(extra: int, end: bytes) -> None:
    long = b"x" * (MAX_LINE_BYTES + extra)
    data = long + end + (b"next\n" if end else b"")
    first, *rest = read_lines(BytesIO(data))
    assert first.body == long[: MAX_LINE_BYTES + 1]
    assert [(line.body, line.end) for line in rest] == ([(b"next", len(data))] if end else [])


def test_it_cuts_batches_by_number_and_by_bytes() -> None:
    lines = [b"%d" % number for number in range(2 * BATCH_MESSAGES + 1)]
    data = b"\n\n".join(lines)
    chunks = list(group_lines(read_lines(BytesIO(data)), convert_jsonl("p")))
    assert [len(chunk.messages) for chunk in chunks] == [BATCH_MESSAGES, BATCH_MESSAGES, 1]
    assert [m.payload for chunk in chunks for m in chunk.messages] == lines
    assert chunks[1].numbers[0] == 2 * BATCH_MESSAGES + 1
    assert sum(chunk.empty_lines for chunk in chunks) == 2 * BATCH_MESSAGES
    large = b"\n".join([b"x" * (BATCH_BYTES // 4)] * 9)
    chunks = list(group_lines(read_lines(BytesIO(large)), convert_jsonl("p")))
    assert [len(chunk.messages) for chunk in chunks] == [4, 4, 1]


def test_it_goes_on_right_behind_any_batch() -> None:
    data = b"".join(b"%d\n\n" % number for number in range(5_000))

    def read(end: int) -> tuple[Any, list[bytes]]:
        lines = read_lines(BytesIO(data))
        skipped = skip_lines(lines, end=end)
        chunks = group_lines(lines, convert_jsonl("p"))
        return skipped, [m.payload for chunk in chunks for m in chunk.messages]

    whole = read(0)[1]
    for chunk in group_lines(read_lines(BytesIO(data)), convert_jsonl("p")):
        skipped, rest = read(chunk.end)
        assert skipped.lines + len(rest) == 5_000
        assert whole[skipped.lines :] == rest
