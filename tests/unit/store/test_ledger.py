"""What the ledger says of a batch, from what it has of its line; the database is a fake."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from telemetry.core.outcome import Counts
from telemetry.core.reading import HOUR_US, to_instant
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.ingest.ledger import (
    AlreadyStoredError,
    BatchSplitError,
    Sql,
    choose_second_half,
    enter_split,
    explain_line,
    insert_batches,
    insert_dirty_hours,
    is_batch_stored,
)

STEM = "018bcfe56800-000000000001"
NOW = datetime(2026, 11, 29, tzinfo=UTC)


def batch(part: str = "", *, messages: int = 5) -> ClaimedBatch:
    received_us = int(NOW.timestamp()) * 1_000_000
    return ClaimedBatch(STEM + part, "bridge-1", received_us, messages, 7, 1, b"")


class FakeConnection:
    """Answers the two queries of the ledger, and keeps what it was asked."""

    def __init__(self, *, is_inserted: bool = True, line: dict[str, Any] | None = None) -> None:
        self._is_inserted = is_inserted
        self._line = list((line or {}).items())
        self._answer: list[Any] = []
        self.asked: list[tuple[Any, Any]] = []
        self.many: list[tuple[str, list[Any]]] = []
        self.transactions = 0

    def execute(self, text: Any, values: Any) -> "FakeConnection":
        self.asked.append((text, values))
        if text == Sql.insert_batch:
            self._answer = [(values["id"],)] if self._is_inserted else []
        else:
            assert text == Sql.batch_line
            self._answer = self._line
        return self

    def fetchone(self) -> Any:
        return self._answer[0] if self._answer else None

    def fetchall(self) -> Any:
        return self._answer

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.transactions += 1
        yield

    @contextmanager
    def cursor(self) -> Iterator["FakeConnection"]:
        yield self

    def executemany(self, text: str, rows: list[Any]) -> None:
        self.many.append((text, rows))


def insert(connection: Any, of: ClaimedBatch) -> None:
    insert_batches(connection, [of], counts=[Counts(messages=5, messages_stored=5)])


def test_it_enters_a_batch_with_its_counts() -> None:
    connection = FakeConnection()
    insert(connection, batch())
    [(_, values)] = connection.asked
    assert values["id"] == STEM
    assert (values["source"], values["seq"], values["received_at"]) == ("bridge-1", 7, NOW)
    assert (values["messages"], values["messages_stored"]) == (5, 5)
    assert values["second_part"] is None


@pytest.mark.parametrize(
    ("part", "line"),
    [("", {"": None}), (".1", {"": None}), (".01", {"": [1], ".0": None})],
    ids=["itself is stored", "the whole is stored", "the half that it is of is stored"],
)
def test_it_says_that_a_batch_is_stored_already(part: str, line: dict[str, Any]) -> None:
    held = {STEM + name: second_part for name, second_part in line.items()}
    with pytest.raises(AlreadyStoredError, match=STEM):
        insert(FakeConnection(is_inserted=False, line=held), batch(part))


def test_it_says_how_a_batch_was_split() -> None:
    line = {STEM: [0, 3], f"{STEM}.0": None}
    with pytest.raises(BatchSplitError, match=STEM) as split:
        insert(FakeConnection(is_inserted=False, line=line), batch())
    assert split.value.second_part == [0, 3]


def test_it_splits_in_the_middle_when_only_parts_are_known() -> None:
    error = explain_line(batch(messages=5), {f"{STEM}.1": None})
    assert isinstance(error, BatchSplitError)
    assert error.second_part == [2, 3, 4] == choose_second_half(5)


def test_it_enters_a_split_in_a_transaction_without_counts() -> None:
    connection: Any = FakeConnection()
    assert enter_split(connection, batch(), second_part=[1]) == [1]
    [(_, values)] = connection.asked
    assert (values["second_part"], values["messages"]) == ([1], 0)
    assert connection.transactions == 1


def test_it_keeps_to_the_split_that_was_entered_first() -> None:
    connection: Any = FakeConnection(is_inserted=False, line={STEM: [4]})
    assert enter_split(connection, batch(), second_part=[1]) == [4]


@pytest.mark.parametrize(
    ("part", "line", "is_stored"),
    [
        ("", {}, False),
        ("", {"": None}, True),
        ("", {"": [1]}, False),
        ("", {"": [1], ".0": None}, True),
        ("", {"": [1], ".0": [0]}, True),
        (".0", {"": None}, True),
        (".0", {"": [1]}, False),
        (".0", {"": [1], ".0": [1]}, False),
    ],
    ids=[
        "nothing is known",
        "itself is stored",
        "that it is split says nothing yet",
        "a half is stored",
        "a half is split",
        "the whole is stored",
        "the whole is split",
        "it is split",
    ],
)
def test_it_knows_whether_a_batch_is_stored(
    part: str, line: dict[str, Any], is_stored: bool
) -> None:
    held = {STEM + name: second_part for name, second_part in line.items()}
    connection: Any = FakeConnection(line=held)
    assert is_batch_stored(connection, STEM + part) is is_stored
    assert connection.asked == [(Sql.batch_line, {"id": STEM + part})]


def test_it_notes_each_hour_once_with_the_earliest_readings_of_its_devices() -> None:
    connection: Any = FakeConnection()
    keys = [(3, HOUR_US + 1), (1, 2 * HOUR_US), (1, HOUR_US + 7_999), (2, 6 * HOUR_US)]
    insert_dirty_hours(connection, keys)
    insert_dirty_hours(connection, keys[:2])
    insert_dirty_hours(connection, [])
    assert [rows for _, rows in connection.many] == [
        [(to_instant(HOUR_US), [3, 1], [0, 7]), (to_instant(5 * HOUR_US), [2], [3_600_000])],
        [(to_instant(HOUR_US), [3, 1], [0, 3_600_000])],
        [],
    ]
