"""Whatever texts a message holds, its batch is stored without an error of the database."""

import json
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry.core.batch import RawMessage
from telemetry.core.json_tree import Number, as_storable_json, is_storable
from telemetry.core.outcome import Counts
from telemetry.queue.batches import ClaimedBatch, new_id
from telemetry.store.db.connection import Connection
from tests.messages import MAC, TOPIC
from tests.random_cases import random_cases
from tests.stores import open_store, validate_and_store

pytestmark = pytest.mark.integration

RECEIVED_AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
FIELDS = ("topic", "gateway_mac", "timestamp", "code", "unit", "value", "key", "further", "top")
SURROGATES = {chr(point) for point in range(0xD800, 0xE000)}
ODD = [
    *(chr(point) for point in (*range(0x20), *range(0x7F, 0xA0))),  # all controls, for all time
    *("\ud800", "\udbff", "\udc00", "\udfff"),
    *("\u00ad", "\u200b", "\u2028", "\u202e", "\ufeff", "\ufdd0", "\ufffe", "\uffff"),
    *("\U0001f600", "\U0001ffff", "\U0010ffff", "\\", '"', "\u00a0", "\u00ba", "\u0301"),
]
PLACES = {"topic": "", "code": "D03", "unit": "C", "value": "1"}


def make(field: str, text: str, *, second: int = 0, ascii_only: bool = True) -> RawMessage:
    """A good message but for `text` in one field, and a reading beside it that is good."""
    texts = {each: PLACES.get(each, "") for each in FIELDS} | {field: text}
    time = f"2026-11-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    fields = {
        "gateway_mac": MAC + texts["gateway_mac"],
        "timestamp": time + texts["timestamp"],
        "leituras": [
            {
                "dispositivo_codigo": texts["code"],
                "valor": texts["value"],
                "unidade": texts["unit"],
                "k" + texts["key"]: texts["further"],
            },
            {"dispositivo_codigo": "D01", "valor": 1, "unidade": "kWh"},
        ],
        "t" + texts["top"]: {texts["top"]: texts["top"]},
    }
    payload = json.dumps(fields, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    topic = texts["topic"].encode("utf-8", "replace").decode()  # MQTT's topics are UTF-8
    return RawMessage(TOPIC + topic, payload)


def store(connection: Connection, messages: list[RawMessage]) -> Counts:
    received_us = int(RECEIVED_AT.timestamp()) * 1_000_000
    batch = ClaimedBatch(new_id(), "test", received_us, 0, 1, 1, b"")
    return validate_and_store(open_store(connection), batch, messages)


@pytest.fixture
def open_unit(connection: Connection, fleet: None) -> None:
    """D03 takes any unit: nothing shields the column from the reading's."""
    connection.execute("UPDATE device SET unit = '' WHERE code = 'D03'")


def test_it_stores_a_batch_when_any_odd_character_stands_in_any_field(
    connection: Connection, open_unit: None
) -> None:
    cases = [(field, text, ascii_only) for field in FIELDS for text in ODD for ascii_only in (0, 1)]
    messages = [
        make(field, text, second=second, ascii_only=bool(ascii_only))
        for second, (field, text, ascii_only) in enumerate(cases)
    ]
    counts = store(connection, messages)
    assert counts.messages == len(messages)
    rejected = [
        text
        for (text,) in connection.execute(
            "SELECT convert_from(payload, 'UTF8') FROM dead_letter"
            " WHERE reason = 'bad_schema' AND detail ~ '^leituras.0..unidade'"
        ).fetchall()
    ]
    controls = [text for text in ODD if unicodedata.category(text) == "Cc"]
    assert {json.loads(text)["leituras"][0]["unidade"] for text in rejected} >= set(controls)
    # However bad the first reading of such a message is, the second one is stored.
    [(beside,)] = connection.execute(
        "SELECT count(*) FROM reading WHERE device_id IN (SELECT id FROM device WHERE code = 'D01')"
    ).fetchall()
    whole = {"topic", "gateway_mac", "timestamp"}
    readable = [text for field, text, _ in cases if field not in whole and text not in SURROGATES]
    assert beside == len(readable)


odd_texts = st.text(
    st.sampled_from([*ODD, "a", "1", "e", " "])
    | st.characters(exclude_categories=[])
    | st.sampled_from(sorted(SURROGATES)),
    max_size=12,
)


@random_cases(60, shrinks=True)
@given(st.lists(st.tuples(st.sampled_from(FIELDS), odd_texts, st.booleans()), min_size=1))
def test_it_stores_a_batch_when_texts_are_arbitrary(
    connection: Connection, open_unit: None, cases: list[tuple[str, str, bool]]
) -> None:
    messages = [
        make(field, text, second=second, ascii_only=ascii_only)
        for second, (field, text, ascii_only) in enumerate(cases)
    ]
    assert store(connection, messages).messages == len(messages)


further_values = st.recursive(
    st.none() | st.booleans() | st.integers() | odd_texts.filter(lambda text: "\0" not in text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@random_cases(60, shrinks=True)
@given(further_values)
@example("1e123456-1e99-4000-8000-000000000000")
@example("node-1e1234")
@example(["\ud800"])
def test_it_keeps_further_keys_as_json(
    connection: Connection, open_unit: None, further: Any
) -> None:
    text = json.dumps(further)
    unescaped = json.dumps(further, ensure_ascii=False)
    if not SURROGATES.isdisjoint(unescaped) or "\\u0000" in text:
        return  # rejected, or kept as text: tested above
    connection.execute("TRUNCATE reading")
    payload = make("topic", "").payload.replace(b'"k": ""', b'"k": ' + text.encode())
    store(connection, [RawMessage(TOPIC, payload)])
    [(raw,)] = connection.execute("SELECT raw FROM reading WHERE raw IS NOT NULL").fetchall()
    assert raw == {"k": further}


number_texts = st.builds(
    lambda sign, whole, places, exponent: sign + whole + places + exponent,
    st.sampled_from(["", "-"]),
    st.sampled_from(["0", "1", "9" * 20, "1" + "0" * 300]),
    st.sampled_from(["", ".0", ".5", "." + "0" * 99 + "1"]),
    st.just("")
    | st.builds(
        lambda letter, sign, exponent: f"{letter}{sign}{exponent}",
        st.sampled_from("eE"),
        st.sampled_from(["", "+", "-", "+000", "-0"]),
        st.integers(0, 400)
        | st.integers(16_200, 16_500)
        | st.integers(130_700, 131_200)
        | st.integers(0, 10**25),
    ),
)


@random_cases(300, shrinks=True)
@given(number_texts)
@example("1e131071")
@example("1e131072")
@example("1e-16383")
@example("1e-16384")
@example("0e-16384")
def test_it_knows_which_numbers_jsonb_takes(connection: Connection, text: str) -> None:
    try:
        connection.execute("SELECT %s::jsonb IS NULL", [text])
        is_taken = True
    except psycopg.DataError:
        is_taken = False
    is_zero = not Decimal(text.lower().partition("e")[0])
    # Of zeros alone those whose exponent has ten digits are kept as text although jsonb takes some.
    assert is_storable(Number(text)) == is_taken or (is_taken and is_zero)
    connection.execute("SELECT %s::jsonb", [as_storable_json(Number(text))])
