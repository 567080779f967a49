"""JSON as it was written: every member of an object, every digit of a number.

What decoders lose is kept here: keys that come twice, digits and exponents, and the bare words
for what is no number, `NaN`, `-Infinity`, `nan` and the like, that JSON does not know and libraries
print. For messages that are not plain.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from json import JSONDecoder
from json.encoder import encode_basestring
from typing import Any, TypeAlias

import msgspec

Node: TypeAlias = Any
"""A `Members`, a list, a str, a `Number`, a `Constant`, True, False or None."""

MAX_DEPTH = 256

# PostgreSQL's numeric (src/backend/utils/adt/numeric.c).
_MAX_WHOLE_DIGITS = 131_072
_MAX_PLACES = 16_383
_MAX_EXPONENT_DIGITS = 9
_MAX_DIGITS = 200_000  # of all numbers of a node: 1e131071 takes as much room when it is shown

_NUMBER = re.compile(r"-?(?P<whole>[0-9]+)(?:\.(?P<places>[0-9]+))?(?:[eE](?P<exponent>.+))?")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_HAZARD = re.compile(  # seldom, and then looked at; a run of digits is tried at its start alone
    r"\\u0000|[eE][+-]?[0-9]{3}|(?<![0-9.])[0-9.]{9000}"
)
_WORD = "[+-]?(?:nan|inf(?:inity)?)"  # as printf of C and Arduino's print write them, too
_WORD_OR_TEXT = re.compile(  # a text without an end is one to the end
    rf'(?<![\w.+-]){_WORD}(?![\w.+-])|"(?:[^"\\]|\\.)*"?', re.IGNORECASE | re.ASCII | re.DOTALL
)
is_constant = re.compile(_WORD, re.IGNORECASE | re.ASCII).fullmatch
_WORDS = {True: "true", False: "false", None: "null"}


class Members(list[tuple[str, Node]]):
    """An object: its members in order."""


class Number(str):
    """A number as it was written."""

    __slots__ = ()


class Constant(str):
    """`NaN`, `Infinity` or `inf`, in any case and with a sign or without."""

    __slots__ = ()


class TooDeepError(ValueError):
    """More than `MAX_DEPTH` nested objects and lists."""


def _make_decoder(parse_constant: Callable[[str], Constant]) -> JSONDecoder:
    return JSONDecoder(
        object_pairs_hook=Members,
        parse_float=Number,
        parse_int=Number,
        parse_constant=parse_constant,
    )


_decoder = _make_decoder(Constant)


def read_json(text: str) -> Node:
    """Raises `ValueError` for anything but JSON, for JSON that is nested too deeply, and for an
    escape of half a character: such a text has no UTF-8."""
    try:
        node = _decode(text)
    except RecursionError:
        raise TooDeepError from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_too_deep(node):
        raise TooDeepError
    if _SURROGATE_ESCAPE.search(text) and _has_surrogate(node):
        raise ValueError("a lone surrogate is no character")
    return node


def write_json(node: Node) -> str:
    """The inverse of `read_json`, without white space; a constant stays the token that it was."""
    kind, parts = type(node), []
    if kind is str:
        return encode_basestring(node)
    if kind is Number or kind is Constant:
        return str(node)
    if kind is Members:
        for key, value in node:
            parts.append(f"{encode_basestring(key)}:{write_json(value)}")
        return "{" + ",".join(parts) + "}"
    if kind is list:
        for value in node:
            parts.append(write_json(value))
        return "[" + ",".join(parts) + "]"
    return _WORDS[node]


def walk(node: Node) -> Iterator[Node]:
    """A node and every one in it, keys of objects included, in no order."""
    stack = [node]
    while stack:
        each = stack.pop()
        yield each
        if isinstance(each, Members):
            for member in each:
                stack.extend(member)
        elif isinstance(each, list):
            stack.extend(each)


def find_repeated_key(node: Node) -> str | None:
    """A key that comes twice in one object, however deep."""
    stack = [node]
    while stack:
        each = stack.pop()
        if type(each) is Members:
            if len(dict(each)) != len(each):
                counts = Counter(key for key, _ in each)
                return next(key for key, count in counts.items() if count > 1)
            stack += [value for _, value in each if isinstance(value, list)]
        elif type(each) is list:
            stack += [value for value in each if isinstance(value, list)]
    return None


def is_storable(node: Node) -> bool:
    """Whether PostgreSQL's jsonb takes it: no NUL, no number past numeric."""
    digits = 0
    for each in walk(node):
        if isinstance(each, Number):
            count = _count_digits(each)
            if count is None:
                return False
            digits += count
        elif isinstance(each, str) and "\0" in each:
            return False
    return digits <= _MAX_DIGITS


def as_storable_json(node: Node) -> str:
    """The text of JSON that PostgreSQL's jsonb takes.

    What jsonb cannot hold (NUL, numbers past numeric) is kept whole as text, under the key
    `json_text`: nothing of it is lost.
    """
    text = write_json(node)
    if not _HAZARD.search(text) or is_storable(node):
        return text
    return msgspec.json.encode({"json_text": text}).decode()


def truncate(text: str) -> str:
    """JSON text for an error's detail, shortened to a readable length."""
    return text if len(text) <= 40 else f"{text[:40]}..."


def _decode(text: str) -> Node:
    """Python's decoder knows three of the words. All are shown to it as one of these, and what was
    written is put back in the order of the text."""
    try:
        return _decoder.decode(text)
    except ValueError:
        words: list[str] = []

        def replace(match: re.Match[str]) -> str:
            if match[0].startswith('"'):
                return match[0]
            words.append(match[0])
            return "NaN"

        known = _WORD_OR_TEXT.sub(replace, text)
        if not words:
            raise
    written = iter(words)
    # What the decoder takes for a word and we do not, as in `-Infinity-Infinity`, is an error soon.
    return _make_decoder(lambda word: Constant(next(written, word))).decode(known)


def _has_surrogate(node: Node) -> bool:
    return any(isinstance(each, str) and _SURROGATE.search(each) for each in walk(node))


def _count_digits(number: Number) -> int | None:
    """How many digits PostgreSQL shows of a number; None when it does not take it."""
    if len(number) < 20 and "e" not in number and "E" not in number:
        return len(number)
    match = _NUMBER.fullmatch(number)
    assert match is not None
    places, exponent = match["places"] or "", _read_exponent(match["exponent"] or "0")
    if exponent is None:
        return None
    significant = (match["whole"] + places).lstrip("0")
    scale = max(0, len(places) - exponent)
    whole = max(0, len(significant) - len(places) + exponent) if significant else 0
    return whole + scale if whole <= _MAX_WHOLE_DIGITS and scale <= _MAX_PLACES else None


def _read_exponent(text: str) -> int | None:
    magnitude = text.lstrip("+-").lstrip("0") or "0"
    if len(magnitude) > _MAX_EXPONENT_DIGITS:
        return None
    return -int(magnitude) if text.startswith("-") else int(magnitude)


def _is_too_deep(node: Node) -> bool:
    level = [node]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for each in level
            for child in ([value for _, value in each] if isinstance(each, Members) else each)
            if isinstance(child, list)
        ]
        if not level:
            return False
    return True
