"""The line of a payload that made it be rejected."""

import pytest

from telemetry.core.failing_field import mark_lines
from telemetry.core.map_values import list_values, map_value
from telemetry.core.shown_payload import show_payload
from telemetry.dead_letters.register import find_devices, guess_measurement
from tests.messages import make_payload

TWO = [
    {"dispositivo_codigo": "D01", "valor": 1, "unidade": "kWh"},
    {"dispositivo_codigo": "D02", "valor": "1,5", "unidade": "m3"},
]


@pytest.mark.parametrize(
    ("payload", "reason", "detail", "marked"),
    [
        (make_payload(unit="kwh"), "unit_mismatch", "device 'D01' has 'kWh'", '"unidade": "kwh"'),
        (make_payload(), "unknown_gateway", "no gateway", '"gateway_mac": "aa:bb:cc:dd:ee:ff",'),
        (
            make_payload(items=TWO),
            "bad_value",
            "leituras[1].valor: expected a number",
            '"valor": "1,5",',
        ),
        # A dead letter of one reading holds that reading alone, whatever its place was.
        (
            make_payload(valor="x"),
            "bad_value",
            "leituras[7].valor: expected a number",
            '"valor": "x",',
        ),
        (make_payload(at="x"), "bad_schema", "timestamp: expected", '"timestamp": "x",'),
        (make_payload(), "bad_schema", "leituras[0].nothing: is missing", None),
        (make_payload(), "processing_error", "Traceback", None),
        (b"not json", "bad_json", "expected JSON", None),
    ],
)
def test_it_marks_the_line_of_the_field(
    payload: bytes, reason: str, detail: str, marked: str | None
) -> None:
    lines = mark_lines(show_payload(payload).text, reason=reason, detail=detail)
    assert [line.text.strip() for line in lines if line.is_failing] == ([marked] if marked else [])


def test_it_maps_a_value_and_leaves_every_other_byte() -> None:
    payload = b'{"a":1.10, "unidade" : "kwh","leituras":[{"unidade":"m\\u00b3"},{"unidade":"kwh"}]}'
    assert list_values(payload, "unidade") == ["kwh", "m³", "kwh"]
    mapped = map_value(payload, "unidade", before="kwh", after='k"Wh')
    assert mapped == payload.replace(b'"kwh"', b'"k\\"Wh"')
    assert map_value(payload, "unidade", before="m³", after="L") == payload.replace(
        b'"m\\u00b3"', b'"L"'
    )
    assert map_value(payload, "unidade", before="none", after="L") is None
    assert map_value(b"\xff", "unidade", before="none", after="L") is None


def test_it_finds_devices_and_guesses_how_they_measure() -> None:
    payloads = [
        make_payload(
            at=f"2026-11-01T00:{minute:02}:00Z",
            items=[
                {"dispositivo_codigo": "R", "valor": 5_000 + minute, "unidade": "kWh"},
                {"dispositivo_codigo": "D", "valor": (minute * 7) % 5, "unidade": "m3"},
                {"dispositivo_codigo": "T", "valor": 20, "unidade": "°C"},
            ],
        )
        for minute in range(9, -1, -1)
    ]
    found = find_devices([*payloads, b"{", make_payload(valor="x", code="R")])
    assert [(one.code, one.measurement, one.kind, one.newest) for one in found] == [
        ("D", "delta", "meter", "3 m3"),
        ("R", "cumulative", "meter", "5009 kWh"),
        ("T", "gauge", "sensor", "20 °C"),
    ]
    assert guess_measurement([], unit="kWh") == "delta"
