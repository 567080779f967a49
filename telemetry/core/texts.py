"""Texts of the contract: control characters, and units compared as people read them."""

import unicodedata
from functools import lru_cache

MAX_CODE_LENGTH = 20
MAX_UNIT_LENGTH = 10


def find_control_character(text: str) -> str | None:
    """The first of Unicode's category Cc. Nearly all text is printable: that is fast."""
    if text.isprintable():
        return None
    return next((char for char in text if unicodedata.category(char) == "Cc"), None)


def is_unit(text: str) -> bool:
    """Whether a reading may name this unit, of whatever device."""
    return (
        1 <= len(text) <= MAX_UNIT_LENGTH
        and not text.isspace()
        and find_control_character(text) is None
    )


@lru_cache(maxsize=4096)
def choose_unit(own: str, sent: str) -> str | None:
    """The unit to store for a reading that names `sent`; None when the device has another.

    The device's own spelling, or the reading's when the device has none. `sent` may be any text of
    at most `MAX_UNIT_LENGTH` characters, longer ones would be kept: one that is no unit is None as
    well.
    """
    if not is_unit(sent):
        return None
    if not own.strip():
        return sent
    return own if own == sent or _normalise(own) == _normalise(sent) else None


def _normalise(unit: str) -> str:
    # Before NFKC, which makes an "o" of the ordinal sign.
    return unicodedata.normalize("NFKC", unit.replace("\u00ba", "\u00b0")).strip()
