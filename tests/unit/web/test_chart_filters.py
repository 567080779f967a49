"""Choices of devices from an address."""

import pytest

from telemetry.web.charts.chart_filters import ChartFilters, parse_filters


def test_it_shows_every_device_when_nothing_is_chosen() -> None:
    filters, errors = parse_filters({"device": [""], "kind": []})
    assert filters.is_empty
    assert filters.conditions() == {}
    assert errors == {}


def test_it_keeps_what_was_chosen_once_each() -> None:
    filters, errors = parse_filters(
        {"device": ["7", "3", "7"], "gateway": ["2"], "kind": ["meter", "sensor"], "group": ["A"]}
    )
    assert errors == {}
    assert filters == ChartFilters((7, 3), (2,), ("meter", "sensor"), ("A",))
    assert filters.query() == [
        ("device", "7"), ("device", "3"), ("gateway", "2"), ("kind", "meter"), ("kind", "sensor"),
        ("group", "A"),
    ]  # fmt: skip
    assert filters.conditions() == {
        "pk__in": (7, 3), "gateway__in": (2,), "kind__in": ("meter", "sensor"),
        "group__in": ("A",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ("device", ["x"]),
        ("device", ["-1"]),
        ("device", ["0"]),
        ("device", ["²"]),
        ("device", [str(2**63)]),
        ("gateway", ["1"] * 101),
        ("kind", ["meter", "spy"]),
        ("group", ["\0"]),
    ],
)
def test_it_puts_a_message_at_the_field_that_cannot_be_understood(
    field: str, texts: list[str]
) -> None:
    filters, errors = parse_filters({field: texts})
    assert filters.is_empty
    assert list(errors) == [field]
