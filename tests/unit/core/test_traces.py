"""The trace of a batch is known by its id, the same in every process."""

import random

import pytest

from telemetry.core.batch import half_ids, new_batch_id
from telemetry.core.traces import is_traced, root_span_id_of, trace_id_of

ID = "019ac2f00d1e-a1b2c3d4e5f6"


def test_it_shows_the_batch_in_the_id_of_the_trace() -> None:
    assert f"{trace_id_of(ID):032x}" == "019ac2f00d1e0000a1b2c3d4e5f60000"
    assert f"{root_span_id_of(ID):016x}" == "0001a1b2c3d4e5f6"
    assert root_span_id_of("000000000000-000000000000"), "0 is no id of a span"


def test_it_keeps_the_parts_of_a_split_batch_in_its_trace() -> None:
    for part in (*half_ids(ID), *half_ids(half_ids(ID)[1])):
        assert trace_id_of(part) == trace_id_of(ID)
        assert is_traced(part, share=0.3) == is_traced(ID, share=0.3)


def test_it_traces_about_the_share_that_is_wanted_however_close_in_time() -> None:
    chance = random.Random(1)
    ids = [new_batch_id(now_us=0, entropy=chance.getrandbits(64)) for _ in range(20_000)]
    for share in (0.01, 0.3):
        count = sum(is_traced(one, share=share) for one in ids)
        assert share * 0.8 < count / len(ids) < share * 1.2
    assert not any(is_traced(one, share=0) for one in ids)
    assert all(is_traced(one, share=1) for one in ids)


def test_it_refuses_what_is_no_batch_id() -> None:
    with pytest.raises(ValueError, match="is no batch id"):
        trace_id_of("x")
