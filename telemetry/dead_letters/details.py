"""What exactly was wrong with a rejected message, in the language of its reader.

Workers write details in English, without a catalogue at hand: they are stored, searched and
compared so. Here a detail is recognised by its form, and said again in another language; its
numbers too. What is not recognised, such as a traceback, stays as it is. Tests hold that every
detail that the message contract gives has a form here.
"""

import re
from functools import cache
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _

FORMS = (
    # The whole message.
    gettext_noop("no gateway has MAC %(mac)s"),
    gettext_noop("gateway %(mac)s or its account is deactivated"),
    gettext_noop("gateway %(mac)s has no device %(code)s"),
    gettext_noop("device %(code)s is deactivated"),
    gettext_noop("device %(code)s has %(unit)s, the reading %(sent)s"),
    gettext_noop("meter %(code)s: %(number)s"),
    gettext_noop("%(at)s has %(number)s, the reading %(other_number)s"),
    gettext_noop("timestamp: %(sent)s, received %(at)s"),
    gettext_noop("payload: %(number)s bytes, at most %(other_number)s"),
    gettext_noop("gateway_mac: %(sent)s, topic has %(mac)s"),
    gettext_noop("topic: %(sent)s"),
    gettext_noop("more messages than the gateway or its account may send (LIMIT_GATEWAY_RATE, "
                 "LIMIT_ACCOUNT_RATE); counted by minute, the first one is kept"),
    gettext_noop("no end after %(number)s starts"),
    # JSON.
    gettext_noop("nested too deeply"),
    gettext_noop("expected a JSON object"),
    gettext_noop("a lone surrogate is no character"),
    gettext_noop("not UTF-8 at byte %(number)s"),
    gettext_noop("%(json)s: line %(number)s column %(other_number)s (char %(at)s)"),
    gettext_noop("%(sent)s: only as valor, if at all"),
    # One field.
    gettext_noop("%(field)s: missing"),
    gettext_noop("%(field)s: comes twice"),
    gettext_noop("%(field)s: expected a text, got %(sent)s"),
    gettext_noop("%(field)s: expected a list, got %(sent)s"),
    gettext_noop("%(field)s: expected an object, got %(sent)s"),
    gettext_noop("%(field)s: expected 1 to %(number)s readings, got %(other_number)s"),
    gettext_noop("%(field)s: expected 1 to %(number)s characters, got %(other_number)s"),
    gettext_noop("%(field)s: expected no control character, got %(sent)s"),
    gettext_noop("%(field)s: expected a unit, got white space"),
    gettext_noop("%(field)s: expected less than the modulus %(number)s of %(code)s, got "
                 "%(other_number)s"),
    gettext_noop("%(field)s: expected a number, got %(sent)s"),
    gettext_noop("%(field)s: expected a JSON number or a string that holds one, got %(sent)s"),
    gettext_noop("%(field)s: expected |valor| < 10^11, got %(sent)s"),
    gettext_noop("%(field)s: expected RFC 3339, got %(sent)s"),
    gettext_noop("%(field)s: expected Z or an offset, got %(sent)s"),
    gettext_noop("%(field)s: %(sent)s is no instant of UTC"),
)  # fmt: skip
"""The first that fits counts."""

JSON_FAULTS = (
    gettext_noop("Expecting value"),
    gettext_noop("Expecting property name enclosed in double quotes"),
    gettext_noop("Expecting ',' delimiter"),
    gettext_noop("Expecting ':' delimiter"),
    gettext_noop("Unterminated string starting at"),
    gettext_noop("Invalid control character at"),
    gettext_noop("Extra data"),
    gettext_noop("Illegal trailing comma before end of object"),
    gettext_noop("Illegal trailing comma before end of array"),
)
_NUMBERS = ("number", "other_number")
_PARTS = {
    "number": r"-?\d+(?:\.\d+)?",
    "other_number": r"-?\d+(?:\.\d+)?",
    "mac": r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}",
    "field": r"[^ ]+?|.{1,80}?",
    "at": r"[^ ]+",
    "json": "|".join(re.escape(fault) for fault in JSON_FAULTS) + r"|[A-Z][^:]+",
}
_PLACE = re.compile(r"%\((\w+)\)s")


def describe_detail(detail: str) -> str:
    """A detail for who reads it. In English: as it is stored."""
    if not detail or (get_language() or "en").startswith("en"):
        return detail
    for form, pattern in _compile_forms():
        match = pattern.fullmatch(detail)
        if match is not None:
            values = {name: _say(name, text) for name, text in match.groupdict().items()}
            return _(form) % values
    return detail


def is_known(detail: str) -> bool:
    """Whether a detail has one of the forms."""
    return any(pattern.fullmatch(detail) for _form, pattern in _compile_forms())


def _say(name: str, text: str) -> str:
    if name in _NUMBERS:
        return str(number_format(text))
    return _(text) if name == "json" and text in JSON_FAULTS else text


@cache
def _compile_forms() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((form, _compile(form)) for form in FORMS)


def _compile(form: str) -> re.Pattern[str]:
    parts: list[str] = []
    end = 0
    for place in _PLACE.finditer(form):
        name: Any = place[1]
        parts += [re.escape(form[end : place.start()]), f"(?P<{name}>{_PARTS.get(name, '.+?')})"]
        end = place.end()
    return re.compile("".join([*parts, re.escape(form[end:])]), re.DOTALL)
