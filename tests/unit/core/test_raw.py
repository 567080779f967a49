"""What is kept of a message as it was written, and that long ones are read once."""

import json

import pytest

from telemetry.core.fast_path import _read_instant_us
from telemetry.core.json_tree import (
    _HAZARD,
    Members,
    as_storable_json,
    find_repeated_key,
    read_json,
)
from telemetry.core.payload import reduce_payload
from telemetry.core.texts import choose_unit
from tests.unit.core.payloads import GOOD_TIME, MAC, MESSAGE, READING, validate


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
