"""Properties of validation: arbitrary input never raises, every reading ends once."""

import json
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from telemetry.core.reading import (
    to_decimal,
    to_instant,
    to_microseconds,
    to_ten_thousandths,
)
from telemetry.core.reasons import Reason
from telemetry.core.validator import ValidatedMessage
from tests.unit.core.payloads import (
    MAC,
    assert_validated_alone_alike,
    message,
    plain_texts,
    validate,
)


def assert_balanced(validated_message: ValidatedMessage) -> None:
    """Every reading ends exactly once, or the message is rejected whole, once."""
    whole = [rejection for rejection in validated_message.rejections if rejection.index is None]
    if whole:
        assert len(validated_message.rejections) == 1
        assert validated_message.good == []
        assert validated_message.readings_count == 0
        return
    positions = [r.index for r in validated_message.rejections if r.index is not None]
    assert sorted([*validated_message.indexes, *positions]) == list(
        range(validated_message.readings_count)
    )
    assert validated_message.readings_count >= 1


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)


near_items = st.fixed_dictionaries(
    {},
    optional={
        "dispositivo_codigo": st.sampled_from(["D01", "D03", "D04", "D99", "", "x" * 21])
        | json_values,
        "valor": st.sampled_from([1, -1, "1.5", "NaN", "1_0", True, None, "1e99999"]) | json_values,
        "unidade": st.sampled_from(["kWh", "C", "", "x" * 11]) | json_values,
        "rssi": json_values,
    },
)


near_messages = st.fixed_dictionaries(
    {},
    optional={
        "gateway_mac": st.sampled_from([MAC, MAC.upper(), "x"]) | json_values,
        "timestamp": st.sampled_from(["2026-02-18T11:00:00Z", "2026-02-18", "x"]) | json_values,
        "leituras": st.lists(near_items | json_values, max_size=4) | json_values,
        "fw": json_values,
    },
)


@given(st.binary(max_size=300))
def test_it_never_raises_when_the_payload_is_arbitrary_bytes(payload: bytes) -> None:
    assert_balanced(validate(payload))


@given(near_messages)
def test_it_ends_every_reading_once_when_a_message_is_nearly_right(fields: object) -> None:
    assert_balanced(validate(json.dumps(fields).encode()))


@given(st.text(), st.binary(max_size=20))
def test_it_never_raises_when_the_topic_is_arbitrary(topic: str, payload: bytes) -> None:
    validated_message = validate(payload, topic=topic)
    assert validated_message.rejections[0].reason is Reason.BAD_TOPIC


@given(st.lists(near_items, min_size=1, max_size=4))
def test_it_validates_a_reading_alike_when_it_is_sent_again_alone(items: list[object]) -> None:
    assert_validated_alone_alike(message(leituras=items))


@given(plain_texts)
@example(
    f'{{"gateway_mac":"{MAC}","timestamp":"2026-02-18T11:00:00Z","leituras":['
    '{"dispositivo_codigo":"D01","valor":NaN,"unidade":"kWh","unidade":"MWh"},'
    '{"dispositivo_codigo":"D03","valor":-Infinity,"unidade":"C"},'
    '{"dispositivo_codigo":"D03","valor":1,"unidade":"C"}]}'
)
def test_it_validates_a_reading_alike_alone_when_keys_come_twice_or_values_are_bare_words(
    text: str,
) -> None:
    assert_validated_alone_alike(text.encode())


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-(10**15) + 1, 10**15 - 1))
def test_it_keeps_instants_and_values_exactly(instant: datetime, ten_thousandths: int) -> None:
    assert to_instant(to_microseconds(instant)) == instant
    assert to_ten_thousandths(to_decimal(ten_thousandths)) == ten_thousandths
