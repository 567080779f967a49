"""What is rejected: a whole message or one reading, and in which order."""

import pytest

from telemetry.core.payload import decode_payload, reduce_payload
from telemetry.core.reasons import Reason, RejectedError
from tests.unit.core.payloads import (
    GOOD_TIME,
    MAC,
    MESSAGE,
    READING,
    assert_validated_alone_alike,
    message,
    validate,
)


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
        pytest.param(
            b"[Infinity, -Infinity-Infinity]", Reason.BAD_JSON, "", id="more words than there are"
        ),
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
def test_it_rejects_the_whole_message_when_it_has(
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
    assert list(validated_message.indexes) == [1]


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
def test_it_rejects_one_reading_alone_when_its_value_is_a_bare_word(word: str) -> None:
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
def test_it_rejects_a_message_when_a_bare_word_is_no_value_of_a_reading(
    text: str, word: str
) -> None:
    payload = MESSAGE(
        MAC, GOOD_TIME, text.replace("{}", word).replace("{{", "{").replace("}}", "}")
    )
    assert [rejection.reason for rejection in validate(payload.encode()).rejections] == [
        Reason.BAD_JSON
    ]
