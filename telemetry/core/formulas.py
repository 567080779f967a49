"""Text that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""

import re
from functools import lru_cache

# A sign begins a formula at the start of a cell. Where cells start depends on who reads the file: a
# program in Brazil cuts a file with commas at semicolons, and one elsewhere the other way round.
_START_OF_CELL = r"""(?:^|(?<=[,;|\t\r\n"]))"""
_FORMULA_IS_NEXT = r"(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r])"
_FORMULA = re.compile(_START_OF_CELL + _FORMULA_IS_NEXT)
_MARKED = re.compile(_START_OF_CELL + "'" + _FORMULA_IS_NEXT)


@lru_cache(maxsize=4_096)  # rows repeat their units and names
def disarm(text: str) -> str:
    """The text with an apostrophe before each formula that a program could find in it."""
    return _FORMULA.sub("'", text)


def restore(text: str) -> str:
    """What `disarm` made of it, as it was: for files that come back."""
    return _MARKED.sub("", text)
