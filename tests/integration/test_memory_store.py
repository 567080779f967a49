"""The simulation's store in memory and PostgreSQL: the same calls in any order end alike."""

from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

import pytest

from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import RawMessage
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.batch_store import BatchStore
from telemetry.store.ingest.ledger import AlreadyStoredError, BatchSplitError
from telemetry.store.ingest.outcomes import ValidatedBatch
from tests.messages import make_message
from tests.simulation.memory_store import MemoryStore, Tables

pytestmark = pytest.mark.integration

FAMILY = "018bcfe56800-00000000000"
IDS = tuple(f"{FAMILY}{root}{part}" for root in (1, 2) for part in ("", ".0", ".1", ".00", ".01"))


@pytest.fixture
def real(environ: dict[str, str], connection: Connection, fleet: None) -> Iterator[BatchStore]:
    store = BatchStore(read_options(IngestOptions, environ))
    yield store
    store.close()


def choose_messages(choose: Random) -> list[RawMessage]:
    """Good ones, some twice, some in conflict, some rejected."""
    return [
        make_message(
            code=choose.choice(("D01", "D02x")),
            valor=choose.randrange(2),
            at=f"2026-11-01T00:00:{choose.randrange(20):02}Z",
        )
        for _ in range(choose.randint(1, 3))
    ]


def attempt(call: Any, *arguments: Any, **named: Any) -> Any:
    """What a call answers, or how it ends."""
    try:
        return call(*arguments, **named)
    except AlreadyStoredError:
        return "already stored"
    except BatchSplitError as split:
        return "split", split.second_part


def act(choose: Random, real: BatchStore, memory: MemoryStore) -> tuple[Any, Any]:
    """The same call on both; what each answers."""
    messages = choose_messages(choose)
    batch_id = choose.choice(IDS)
    batch = ClaimedBatch(batch_id, "b", 1_793_500_000_000_000, len(messages), 1, 1, b"")
    kind = choose.choice(("store", "store", "store first part", "split", "reject", "ask"))
    if kind.startswith("store"):
        validated_messages = real.validate(messages, received_at=batch.received_at)
        batches = [
            ValidatedBatch(batch, messages, validated)
            for validated in (deepcopy(validated_messages), validated_messages)
        ]
        if kind == "store first part":
            part = [choose.randrange(3)]
            batches = [one.without(part) for one in batches]
        first, second = (
            attempt(store.store, [one]) for store, one in zip((real, memory), batches, strict=True)
        )
        return first, second
    if kind == "split":
        part = [choose.randrange(3)]
        return (
            attempt(real.split, batch, second_part=part),
            attempt(memory.split, batch, second_part=part),
        )
    if kind == "reject":
        return (
            attempt(real.store_rejected, batch, messages[0], detail="why"),
            attempt(memory.store_rejected, batch, messages[0], detail="why"),
        )
    return real.is_stored(batch_id), memory.is_stored(batch_id)


def read_tables(connection: Connection) -> tuple[Any, Any, Any]:
    ledger = connection.execute("SELECT id, second_part, messages FROM batch").fetchall()
    readings = connection.execute("SELECT count(*) FROM reading").fetchall()
    dead_letters = connection.execute(
        "SELECT reason, sum(occurrences)::int FROM dead_letter GROUP BY reason"
    ).fetchall()
    return sorted(ledger, key=str), readings[0][0], dict(dead_letters)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(8))
def test_it_ends_as_postgresql_does(real: BatchStore, connection: Connection, seed: int) -> None:
    memory = MemoryStore(Tables(), lambda *_: None, gateways=())  # type: ignore[arg-type,return-value]
    choose, done = Random(seed), []
    for _ in range(40):
        first, second = act(choose, real, memory)
        done.append(first)
        assert first == second, done
    tables = memory.tables
    dead_letters: dict[str, int] = {}
    for (_, _, reason), count in tables.dead_letters.items():
        dead_letters[reason] = dead_letters.get(reason, 0) + count
    rows = [
        (batch_id, part, tables.ledger[batch_id].messages)
        for batch_id, part in tables.second_parts.items()
    ]
    assert read_tables(connection) == (sorted(rows, key=str), len(tables.readings), dead_letters)
    assert "already stored" in done
