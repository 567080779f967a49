"""The fast path and the full validation accept and reject alike."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry.core.batch import RawMessage
from telemetry.core.reading import (
    to_microseconds,
)
from telemetry.core.validator import ValidatedMessage, Validator
from tests.unit.core.payloads import (
    CONTRACT,
    GATEWAYS,
    GOOD_TIME,
    MAC,
    MESSAGE,
    NOW,
    ODD_CODES,
    ODD_MACS,
    ODD_NUMBERS,
    ODD_TAILS,
    ODD_UNITS,
    READING,
    TIMESTAMPS,
    TOPIC,
    VALIDATOR,
    assert_validated_alone_alike,
    message,
    plain_texts,
    validate,
)

VALIDATOR_RAW_ALWAYS, VALIDATOR_RAW_NEVER = (
    Validator(msgspec.structs.replace(CONTRACT, keep_raw=keep), GATEWAYS, received_at=NOW)
    for keep in ("always", "never")
)


MOVED_AT = datetime(2026, 2, 18, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(("second", "account"), [(-1, 7), (0, 7), (1, 1)])
def test_a_reading_is_the_accounts_that_had_the_gateway_at_its_time(
    second: int, account: int
) -> None:
    earlier = ((to_microseconds(MOVED_AT), 7),)
    gateways = {MAC: msgspec.structs.replace(GATEWAYS[MAC], earlier=earlier)}
    validator = Validator(CONTRACT, gateways, received_at=NOW)
    at = (MOVED_AT + timedelta(seconds=second)).isoformat()
    raw = RawMessage(TOPIC, message(timestamp=at))
    for found in (validator.validate(raw, MAC), validator.validate_fully(raw, MAC)):
        assert [row[5] for row in found.good] == [account]


def as_parts(validated_message: ValidatedMessage) -> tuple[object, ...]:
    *parts, rejections = msgspec.structs.astuple(
        msgspec.structs.replace(validated_message, indexes=[])
    )
    places = list(validated_message.indexes)[: len(validated_message.good)]
    return *parts, places, [msgspec.structs.astuple(other) for other in rejections]


def assert_validated_alike(text: str) -> None:
    """The fast path, the typed way and the loose one come to the same, whatever `raw` keeps."""
    raw = RawMessage(TOPIC, text.encode())
    fast = as_parts(VALIDATOR.validate(raw, MAC))
    assert fast == as_parts(VALIDATOR.validate_fully(raw, MAC))
    if text.endswith("}"):  # with a further key of the message only the loose way is left
        loose = RawMessage(TOPIC, f'{text[:-1]},"fw":1}}'.encode())
        assert without_details(fast) == without_details(as_parts(VALIDATOR.validate(loose, MAC)))
    for keeping_raw in (VALIDATOR_RAW_ALWAYS, VALIDATOR_RAW_NEVER):
        other = as_parts(keeping_raw.validate(raw, MAC))
        assert without_raw(fast) == without_raw(other)


def without_details(parts: tuple[object, ...]) -> tuple[object, ...]:
    *others, rejections = parts
    return *others, [(rejection[0], *rejection[2:]) for rejection in rejections]  # type: ignore[attr-defined]


def without_raw(parts: tuple[object, ...]) -> tuple[object, ...]:
    mac, gateway, count, rows, *others = parts
    return mac, gateway, count, [(*row[:4], *row[5:]) for row in rows], *others  # type: ignore[attr-defined]


def list_single_oddities(code: str, unit: str) -> Iterator[str]:
    """Messages that leave the fast path for one reason alone, so that nothing else hides it."""
    good = READING(code, 1, unit, "")
    yield from (MESSAGE(mac, GOOD_TIME, good) for mac in ODD_MACS)
    yield from (MESSAGE(MAC, time, good) for time in TIMESTAMPS)
    readings = [
        *(READING(odd, 1, unit, "") for odd in ODD_CODES),
        *(READING(code, odd, unit, "") for odd in ODD_NUMBERS),
        *(READING(code, 1, odd, "") for odd in ODD_UNITS),
        *(READING(code, 1, unit, odd) for odd in ODD_TAILS),
    ]
    yield from (MESSAGE(MAC, GOOD_TIME, reading) for reading in readings)
    yield from (MESSAGE(MAC, GOOD_TIME, f"{good},{reading}") for reading in readings)


@pytest.mark.parametrize(
    ("code", "unit"), [("D01", "kWh"), ("D03", "C"), ("D05", "any"), ("D06", "m\u00b3")]
)
def test_it_validates_alike_on_every_path_when_one_thing_is_odd(code: str, unit: str) -> None:
    for text in list_single_oddities(code, unit):
        assert_validated_alike(text)
        assert_validated_alone_alike(text.encode())


@given(plain_texts)
@example(f'{{"gateway_mac":"{MAC}","timestamp":"2026-02-18T11:00:00Z","leituras":[]}}')
def test_it_accepts_nothing_by_the_fast_path_that_full_validation_rejects(text: str) -> None:
    assert_validated_alike(text)


exact_numbers = st.builds(
    lambda digits, places: format(Decimal(digits).scaleb(-places), "f"),
    st.integers(-(10**16), 10**16),
    st.integers(0, 12),
)


near_halves = st.builds(
    lambda number, tail: f"{number // 10_000}.{number % 10_000:04d}{tail}",
    st.integers(0, 10**15),
    st.sampled_from(["5", "49999999", "50000001", "4999999999999999999", "5000000000000000001"]),
)


readable_numbers = exact_numbers | near_halves | st.floats(allow_nan=False, allow_infinity=False)


@given(readable_numbers.map(str))
@example("99999999999.9999")
@example("99999999999.99994")
@example("-99999999999.99996")
@example("0.00005")
@example("1.797693134862316e+304")
def test_it_reads_every_number_alike_on_both_paths(number: str) -> None:
    """Values pass through a float on the fast path: it must never show."""
    assert_validated_alike(
        f'{{"gateway_mac":"{MAC}","timestamp":"2026-02-18T11:00:00.5Z","leituras":['
        f'{{"dispositivo_codigo":"D03","valor":{number},"unidade":"C"}},'
        f'{{"dispositivo_codigo":"D05","valor":{number},"unidade":"any"}}]}}'
    )


instants = st.datetimes(datetime(2025, 1, 1), datetime(2026, 2, 19))  # noqa: DTZ001 - zone below


instant_texts = st.builds(
    lambda at, timespec, zone, place, other: (
        (text := at.isoformat(timespec=timespec) + zone)[:place] + other + text[place + 1 :]
        if other
        else at.isoformat(timespec=timespec) + zone
    ),
    instants,
    st.sampled_from(["microseconds", "microseconds", "milliseconds", "seconds"]),
    st.sampled_from(["Z", "+00:00", "-03:00", "z", "", "+00:00:00"]),
    st.integers(0, 26),
    st.sampled_from(["", "", "", "0", "9", " ", "T", "_", "+", "\u0663"]),
)


@given(instant_texts)
@example("2026-01-01T000000.1.456789Z")
@example("2026-01-01T000000,1.456789Z")
@example("2026-02-18T11:00:00.4567890Z")
def test_it_reads_every_timestamp_alike_on_both_paths(text: str) -> None:
    assert_validated_alike(
        f'{{"gateway_mac":"{MAC}","timestamp":"{text}","leituras":['
        f'{{"dispositivo_codigo":"D01","valor":1.5,"unidade":"kWh"}}]}}'
    )


def test_it_takes_the_fast_path_when_a_message_is_usual(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Validator, "validate_fully", None)
    validated_message = validate(message())
    assert validated_message.good == [
        (11, to_microseconds(datetime(2026, 2, 18, 11, tzinfo=UTC)), 10_000, "kWh", None, 1, 1)
    ]
