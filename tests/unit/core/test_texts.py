"""Control characters, and units compared as people read them."""

import sys
import unicodedata

import pytest

from telemetry.core.texts import choose_unit, find_control_character, is_unit


def test_it_finds_exactly_the_characters_of_category_cc() -> None:
    controls = {chr(point) for point in [*range(0x20), *range(0x7F, 0xA0)]}
    for point in range(sys.maxunicode + 1):
        char = chr(point)
        assert find_control_character(f"k{char}") == (char if char in controls else None)
        assert is_unit(f"k{char}") == (char not in controls)
    assert {unicodedata.category(char) for char in controls} == {"Cc"}


@pytest.mark.parametrize(
    ("own", "sent"),
    [
        ("m\u00b3", "m3"),
        ("m3", "m\u00b3"),
        ("\u00b0C", "\u2103"),
        ("\u00b0C", "\u00baC"),
        ("kWh", " kWh "),
        ("kWh", "\u00a0kWh\u2003"),
        ("kWh", "\uff4b\uff37\uff48"),
        ("k\u03a9", "k\u2126"),
        ("\u00b5A", "\u03bcA"),
        (" kWh", "kWh"),
    ],
)
def test_it_stores_the_devices_own_spelling_when_people_read_the_same(own: str, sent: str) -> None:
    assert choose_unit(own, sent) == own


@pytest.mark.parametrize(
    ("own", "sent"),
    [
        ("MW", "mW"),
        ("kWh", "KWH"),
        ("kWh", "kW h"),
        ("kWh", ""),
        ("kWh", "kWh\0"),
        ("\u00b0C", "oC"),
        ("m\u00b3", "m2"),
        ("", ""),
        ("", " "),
        ("", "x" * 11),
        ("k\x7f", "k\x7f"),
    ],
)
def test_it_takes_no_unit_that_people_read_otherwise_or_that_is_none(own: str, sent: str) -> None:
    assert choose_unit(own, sent) is None


def test_it_stores_the_readings_spelling_when_the_device_has_no_unit() -> None:
    assert choose_unit("", "m3") == "m3"
    assert choose_unit("", "\u2103") == "\u2103"
