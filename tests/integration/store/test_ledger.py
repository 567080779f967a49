"""The ledger has each batch once, whole or in parts."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs
from psycopg.errors import DivisionByZero

from telemetry.core.batch import RawMessage
from telemetry.core.outcome import Counts
from telemetry.queue.batches import new_id
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.at_once import store_at_once
from telemetry.store.ingest.batch_store import BatchStore
from telemetry.store.ingest.ledger import (
    AlreadyStoredError,
    BatchSplitError,
    enter_split,
    is_batch_stored,
)
from telemetry.store.operations.housekeeping import fold_ledger
from tests.integration.store.ingest import claimed, rows, store
from tests.messages import make_message

pytestmark = pytest.mark.integration


def test_it_is_a_no_op_when_the_batch_is_stored_already(
    connection: Connection, fleet: None
) -> None:
    batch = claimed()
    store(connection, make_message(valor=1), RawMessage("bad", b"x"), batch=batch)
    with pytest.raises(AlreadyStoredError):
        store(connection, make_message(valor=1), RawMessage("bad", b"x"), batch=batch)
    assert rows(connection, "SELECT count(*) FROM reading") == [(1,)]
    assert rows(connection, "SELECT occurrences FROM dead_letter") == [(1,)]
    assert is_batch_stored(connection, batch.id)


def test_it_knows_a_batch_as_stored_when_one_of_its_halves_is(
    connection: Connection, fleet: None
) -> None:
    whole = new_id()
    store(connection, make_message(), batch=claimed(f"{whole}.01"))
    assert is_batch_stored(connection, whole)
    assert is_batch_stored(connection, f"{whole}.0")
    assert not is_batch_stored(connection, f"{whole}.1")
    assert not is_batch_stored(connection, new_id())


def test_it_stores_nothing_of_a_batch_that_was_split(connection: Connection, fleet: None) -> None:
    """However late: a worker that was stopped with the batch in hand."""
    batch = claimed()
    second_part = [1]
    enter_split(connection, batch, second_part=second_part)
    with pytest.raises(BatchSplitError) as split:
        store(connection, make_message(valor=1), make_message(code="D02"), batch=batch)
    assert split.value.second_part == second_part
    assert rows(connection, "SELECT count(*) FROM reading") == [(0,)]
    assert not is_batch_stored(connection, batch.id)


def test_it_splits_no_batch_that_is_stored(connection: Connection, fleet: None) -> None:
    batch = claimed()
    store(connection, make_message(), batch=batch)
    with pytest.raises(AlreadyStoredError):
        enter_split(connection, batch, second_part=[1])
    assert rows(connection, "SELECT id, messages FROM batch") == [(batch.id, 1)]


def test_it_keeps_to_the_parts_that_were_entered_first(connection: Connection, fleet: None) -> None:
    batch = claimed()
    assert enter_split(connection, batch, second_part=[0, 3]) == [0, 3]
    assert enter_split(connection, batch, second_part=[2, 3]) == [0, 3]


@pytest.mark.parametrize(("stored", "late"), [("", ".01"), (".0", ".01")], ids=["whole", "half"])
def test_it_stores_nothing_of_a_part_when_what_it_is_a_part_of_is_stored(
    connection: Connection, fleet: None, stored: str, late: str
) -> None:
    stem = new_id()
    store(connection, make_message(valor=1), batch=claimed(stem + stored))
    with pytest.raises(AlreadyStoredError):
        store(connection, make_message(valor=1), batch=claimed(stem + late))
    assert rows(connection, "SELECT sum(messages) FROM batch") == [(1,)]


def test_it_goes_on_to_the_halves_when_one_of_them_is_stored(
    connection: Connection, fleet: None
) -> None:
    """Also when the row that says how the batch was split is gone."""
    whole = claimed()
    whole = structs.replace(whole, messages_count=3)
    store(connection, make_message(), batch=claimed(f"{whole.id}.0"))
    with pytest.raises(BatchSplitError) as split:
        store(connection, make_message(), make_message(code="D02"), batch=whole)
    assert split.value.second_part == [1, 2]


def test_it_stores_both_halves_of_a_batch_that_was_split(
    connection: Connection, fleet: None
) -> None:
    batch = claimed()
    enter_split(connection, batch, second_part=[1])
    store(connection, make_message(at="2026-11-01T00:00:01Z"), batch=claimed(f"{batch.id}.0"))
    store(connection, make_message(at="2026-11-01T00:00:02Z"), batch=claimed(f"{batch.id}.1"))
    assert rows(connection, "SELECT id, messages FROM batch ORDER BY id") == [
        (batch.id, 0),
        (f"{batch.id}.0", 1),
        (f"{batch.id}.1", 1),
    ]
    assert is_batch_stored(connection, batch.id)


def test_it_keeps_all_of_a_line_in_the_ledger_while_a_part_is_pending(
    connection: Connection, fleet: None
) -> None:
    batch = claimed()
    enter_split(connection, batch, second_part=[1])
    store(connection, make_message(), batch=claimed(f"{batch.id}.0"))
    later = datetime.now(UTC) + timedelta(days=1)
    assert fold_ledger(connection, before=later, pending=[f"{batch.id}.1"]) == 0
    assert fold_ledger(connection, before=later, pending=[]) == 1
    assert rows(connection, "SELECT batches, messages FROM batch_day") == [(1, 1)]


def test_it_stores_a_batch_without_rejections_as_one_query(
    connection: Connection, fleet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(BatchStore, "_commit")
    batch = structs.replace(claimed(), source="o'clock {\\,\"é")
    store(connection, make_message(valor=1), make_message(at="2026-11-01T00:00:01Z"), batch=batch)
    assert rows(connection, "SELECT source, messages, readings_stored FROM batch") == [
        (batch.source, 2, 2)
    ]
    assert rows(connection, "SELECT hour, device_ids FROM dirty_hour ORDER BY hour") == [
        (datetime(2026, 10, 31, 23, tzinfo=UTC), [1]),  # midnight is the end of this hour
        (datetime(2026, 11, 1, tzinfo=UTC), [1]),
    ]


def test_it_stores_as_one_query_again_when_the_session_was_reset(
    connection: Connection, fleet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(BatchStore, "_commit")
    store(connection, make_message(valor=1))
    connection.execute("DEALLOCATE ALL")
    store(connection, make_message(at="2026-11-01T00:00:01Z"))
    assert rows(connection, "SELECT count(*) FROM reading") == [(2,)]
    assert rows(connection, "SELECT count(*) FROM batch") == [(2,)]


def test_one_query_stores_nothing_when_the_ledger_has_one_of_the_batches(
    connection: Connection, fleet: None
) -> None:
    stored, batch = claimed(), claimed()
    store(connection, make_message(valor=1), batch=stored)
    before = rows(connection, "SELECT * FROM dirty_hour")
    with pytest.raises(DivisionByZero):
        store_at_once(
            connection,
            [(1, batch.received_us, 1, "kWh", None, 1, 1)],
            [batch, stored],
            received_us=batch.received_us,
            counts=[Counts(), Counts()],
        )
    assert rows(connection, "SELECT count(*) FROM reading") == [(1,)]
    assert rows(connection, "SELECT count(*) FROM batch") == [(1,)]
    assert rows(connection, "SELECT * FROM dirty_hour") == before
