"""The batch format."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.batch import (
    BatchFormatError,
    RawMessage,
    decode_messages,
    encode_messages,
    half_ids,
    is_batch_id,
    new_batch_id,
)


@given(st.lists(st.builds(RawMessage, st.text(), st.binary())))
def test_it_reads_back_what_it_wrote(messages: list[RawMessage]) -> None:
    assert decode_messages(encode_messages(messages)) == messages


@given(st.binary())
def test_it_raises_its_own_error_when_the_body_is_anything_else(body: bytes) -> None:
    with suppress(BatchFormatError):
        decode_messages(body)


def test_it_refuses_a_body_of_another_version() -> None:
    with pytest.raises(BatchFormatError, match="version 99"):
        decode_messages(msgspec.msgpack.encode([99, []]))


def test_it_orders_ids_by_time() -> None:
    ids = [new_batch_id(now_us=now * 1000, entropy=5) for now in (1, 2, 999, 10**9)]
    assert ids == sorted(ids)
    assert all(is_batch_id(batch_id) for batch_id in ids)


def test_it_names_halves_of_halves() -> None:
    whole = new_batch_id(now_us=1, entropy=1)
    _, second = half_ids(whole)
    assert second == f"{whole}.1"
    assert half_ids(second) == (f"{whole}.10", f"{whole}.11")
    assert is_batch_id(half_ids(second)[0])


@pytest.mark.parametrize("text", ["", "x", "0" * 25, "../etc/passwd", "0" * 12 + "-" + "g" * 12])
def test_it_knows_what_is_no_batch_id(text: str) -> None:
    assert not is_batch_id(text)
