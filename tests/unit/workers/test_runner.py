"""One batch from claim to end, without servers: what is stored, waited out, split, held, left."""

import time
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

import workers.runner
from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import REPLAY_SOURCE, RawMessage
from telemetry.core.outcome import Counts
from telemetry.core.reasons import Reason
from telemetry.core.validator import Rejection, ValidatedMessage
from telemetry.queue.alarm import overrule, raise_alarm, read_alarm
from telemetry.queue.batches import BatchQueue, ClaimedBatch, pack_messages
from telemetry.queue.pools import read_pools
from tests.batches import claim, run_batch
from tests.simulation.cases import ENVIRON, MACS
from tests.simulation.memory_store import MemoryStore, Tables
from workers.runner import BatchRunner

Log = list[tuple[str, dict[str, Any]]]


def validate(message: RawMessage) -> ValidatedMessage:
    mac = message.topic.split("/")[2]
    if message.payload.startswith(b"r"):
        return ValidatedMessage(mac, None, 0, [], [], [Rejection(Reason.BAD_JSON, "rejected")])
    if message.payload.startswith(b"p"):
        raise ValueError("poison")
    return ValidatedMessage(mac, None, 1, [(int(message.payload), 0, 1, "", None, 1, 1)], [0], [])


def make_messages(*payloads: bytes, mac: str = MACS[0]) -> list[RawMessage]:
    return [RawMessage(f"tds_new/devices/{mac}/telemetry", payload) for payload in payloads]


class Store(MemoryStore):
    """Fails as often as told, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(Tables(), validate, gateways=frozenset(MACS), gate=self._pass)
        self.failures: dict[str, list[Exception]] = {}
        self.calls: list[str] = []
        self.recovered: list[Exception] = []
        self.is_closed = False

    def _pass(self, label: str, effect: Any) -> Any:
        self.calls.append(label)
        if self.failures.get(label):
            raise self.failures[label].pop(0)
        return effect()

    def recover(self, error: Exception) -> None:
        self.recovered.append(error)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of the runner; none takes any time."""
    taken: list[float] = []

    def wait(delay_s: float) -> bool:
        taken.append(delay_s)
        return True

    monkeypatch.setattr(workers.runner, "wait_unless_stopping", wait)
    return taken


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    lines: Log = []

    class Lines:
        def note(self, event: str, **fields: Any) -> None:
            lines.append((event, fields))

        info = warning = error = note

    monkeypatch.setattr(workers.runner, "log", Lines())
    return lines


@pytest.fixture(autouse=True)
def no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.runner, "Lease", lambda _: nullcontext())


@pytest.fixture
def runner(queue: BatchQueue, store: Store, log: Log, waits: list[float]) -> BatchRunner:
    options = read_options(IngestOptions, {**ENVIRON, "GUARD_GATEWAYS": "2"})
    return BatchRunner(options, queue, store, pool="pool")  # type: ignore[arg-type]


def names(log: Log) -> list[str]:
    return [event for event, _ in log]


def test_it_stores_a_batch_and_forgets_it(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    batch_id = queue.put(make_messages(b"1", b"2"), source="bridge-1")
    run_batch(runner, batch_id)
    assert store.tables.ledger[batch_id].messages_stored == 2
    assert store.calls[-1] == "notes presence"
    assert queue.snapshot().unfinished == []
    assert [pool.name for pool in read_pools(queue.redis)] == ["pool"]


def test_it_notes_no_presence_of_what_operators_send(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    run_batch(runner, queue.put(make_messages(b"1"), source=REPLAY_SOURCE))
    assert "commits" in store.calls
    assert "notes presence" not in store.calls


def test_it_stores_a_batch_once_when_its_presence_cannot_be_noted(
    runner: BatchRunner, queue: BatchQueue, store: Store, log: Log
) -> None:
    store.failures["notes presence"] = [psycopg.OperationalError("away")]
    run_batch(runner, queue.put(make_messages(b"1"), source="bridge-1"))
    assert names(log) == ["presence_skipped"]
    assert queue.snapshot().unfinished == []
    assert store.calls.count("commits") == 1


def test_it_waits_longer_each_time_until_the_database_is_back(
    runner: BatchRunner, queue: BatchQueue, store: Store, waits: list[float]
) -> None:
    errors = [psycopg.OperationalError(f"away {number}\nmore") for number in range(4)]
    store.failures["stores"] = list(errors)
    batch_id = queue.put(make_messages(b"1"), source="bridge-1")
    run_batch(runner, batch_id)
    assert batch_id in store.tables.ledger
    for number, delay_s in enumerate(waits):
        assert 0.05 * 2**number <= delay_s <= 0.1 * 2**number
    assert store.recovered == errors
    [pool] = read_pools(queue.redis)
    assert (pool.retries, pool.reason) == (4, "away 3")


def test_it_gives_a_batch_back_uncounted_when_the_worker_stops(
    runner: BatchRunner, queue: BatchQueue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.runner, "wait_unless_stopping", lambda _: False)
    store.failures["stores"] = [psycopg.OperationalError("")] * 2
    batch_id = queue.put(make_messages(b"1"), source="bridge-1")
    run_batch(runner, batch_id)
    assert store.calls.count("stores") == 1
    [pending] = queue.snapshot().pending
    assert (pending.attempts, pending.claimed_at) == (0, None)
    assert read_pools(queue.redis)[0].reason == "OperationalError('')"


def test_it_gives_a_body_back_that_only_newer_workers_can_read(
    runner: BatchRunner, queue: BatchQueue, log: Log
) -> None:
    batch_id = queue.put(make_messages(b"1"), source="bridge-1")
    queue.redis.hset(f"ingest:batch:{batch_id}", "body", b"newer")
    run_batch(runner, batch_id)
    assert names(log) == ["batch_unreadable"]
    [pending] = queue.snapshot().pending
    assert (pending.attempts, pending.claimed_at) == (0, None)


def test_it_splits_down_to_the_message_that_fails(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    batch_id = queue.put(make_messages(b"1", b"p", b"3", b"4"), source="bridge-1")
    for part in ("", ".0", ".1", ".00", ".01"):
        run_batch(runner, batch_id + part)
    assert {key[0] for key in store.tables.readings} == {1, 3, 4}
    assert [reason for _, _, reason in store.tables.dead_letters] == ["processing_error"]
    assert store.tables.second_parts[batch_id] == [2, 3]
    assert queue.snapshot().unfinished == []


@pytest.mark.parametrize(
    ("starts", "part", "is_split"),
    [(3, "", False), (4, "", True), (1, ".0", False), (2, ".0", True)],
    ids=["a third start", "a fourth start", "a half's first", "a half's second"],
)
def test_it_splits_a_batch_that_was_started_too_often(
    runner: BatchRunner, queue: BatchQueue, store: Store, starts: int, part: str, is_split: bool
) -> None:
    batch_id = f"018bcfe56800-000000000001{part}"
    messages = make_messages(b"1", b"2")
    queue.write(batch_id, pack_messages(messages), count=2, source="b", producer="b", received_us=1)
    if part:
        queue.redis.hset(f"ingest:batch:{batch_id}", "is_suspect", "1")
    for _ in range(starts - 1):
        claim(queue, batch_id)
    run_batch(runner, batch_id)
    assert store.tables.second_parts[batch_id] == ([1] if is_split else None)


def test_it_gives_the_last_message_of_a_batch_all_starts_again(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    half_id = "018bcfe56800-000000000001.0"
    body = pack_messages(make_messages(b"1"))
    queue.write(half_id, body, count=1, source="b", producer="b", received_us=1)
    for _ in range(2):
        claim(queue, half_id)
    run_batch(runner, half_id)
    assert not store.tables.dead_letters
    assert {key[0] for key in store.tables.readings} == {1}


def test_it_goes_on_to_the_halves_of_a_batch_that_only_the_ledger_knows_as_split(
    runner: BatchRunner, queue: BatchQueue, store: Store, log: Log
) -> None:
    batch_id = queue.put(make_messages(b"1", b"2", b"3"), source="bridge-1")
    batch = claim(queue, batch_id)
    assert batch is not None
    store.split(batch, second_part=[1])  # and its worker ended
    run_batch(runner, batch_id)
    assert names(log) == ["batch_already_split"]
    pending = {part.id: part.messages_count for part in queue.snapshot().pending}
    assert pending == {f"{batch_id}.0": 2, f"{batch_id}.1": 1}
    for part_id in pending:
        run_batch(runner, part_id)
    assert {key[0] for key in store.tables.readings} == {1, 2, 3}
    assert queue.snapshot().unfinished == []


def test_it_ends_a_stored_batch_whose_presence_fails_for_a_reason_that_nobody_knows(
    runner: BatchRunner, queue: BatchQueue, store: Store, log: Log
) -> None:
    store.failures["notes presence"] = [KeyError("no")]
    run_batch(runner, queue.put(make_messages(b"1", b"2"), source="bridge-1"))
    assert names(log) == ["batch_fails", "batch_split", "batch_already_stored"]
    assert queue.snapshot().unfinished == []
    assert store.calls.count("commits") == 1


def test_it_says_how_often_a_single_message_was_started(
    runner: BatchRunner, queue: BatchQueue, log: Log
) -> None:
    batch_id = queue.put(make_messages(b"1"), source="bridge-1")
    for _ in range(3):
        claim(queue, batch_id)
    run_batch(runner, batch_id)
    [(event, fields)] = log
    assert (event, fields["detail"]) == ("message_isolated", "no end after 3 starts")


def test_it_raises_when_not_even_the_dead_letter_can_be_stored(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    store.failures["makes a dead letter"] = [ValueError("worse")]
    with pytest.raises(ValueError, match="worse"):
        run_batch(runner, queue.put(make_messages(b"p"), source="bridge-1"))


@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "nowhere"])
def test_it_says_when_a_task_has_no_batch_anywhere(
    runner: BatchRunner, queue: BatchQueue, store: Store, log: Log, is_stored: bool
) -> None:
    batch_id = queue.put(make_messages(b"1"), source="bridge-1")
    if is_stored:
        run_batch(runner, batch_id)
    queue.finish(batch_id)
    run_batch(runner, batch_id)
    assert names(log) == ([] if is_stored else ["batch_missing"])


def test_it_leaves_a_gone_batch_unjudged_when_the_database_is_away(
    runner: BatchRunner, store: Store, log: Log
) -> None:
    store.failures["asks the ledger"] = [psycopg.OperationalError("away"), KeyError("no")]
    run_batch(runner, "018bcfe56800-000000000001")
    assert names(log) == ["batch_not_checked"]
    assert len(store.recovered) == 1
    with pytest.raises(KeyError):
        run_batch(runner, "018bcfe56800-000000000001")


def test_it_asks_nobody_for_a_batch_whose_parts_are_pending(
    runner: BatchRunner, queue: BatchQueue, store: Store, log: Log
) -> None:
    batch_id = queue.put(make_messages(b"p", b"2"), source="bridge-1")
    run_batch(runner, batch_id)
    log.clear()
    run_batch(runner, batch_id)
    assert names(log) == []
    assert "asks the ledger" not in store.calls


def test_it_leaves_batches_when_redis_is_away_and_takes_them_up_again(
    runner: BatchRunner,
    queue: BatchQueue,
    store: Store,
    log: Log,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RedisConnectionError("away")

    batch_id = queue.put(make_messages(b"1"), source="bridge-1")
    with monkeypatch.context() as patched:
        patched.setattr(workers.runner, "note_progress", fail)
        assert runner._claim_and_store(wait_s=0.5)
    assert (names(log), waits) == (["batches_left"], [0.5])
    assert not runner._claim_and_store(wait_s=0.5), "it was stored: only its end was missing"
    assert queue.snapshot().unfinished == []
    assert list(store.tables.ledger) == [batch_id]


def test_it_stores_what_waits_together(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    ids = [queue.put(make_messages(b"%d" % number), source="bridge-1") for number in range(3)]
    assert runner._claim_and_store(wait_s=0)
    assert store.calls.count("commits") == 1
    assert list(store.tables.ledger) == ids
    assert not runner._claim_and_store(wait_s=0)
    assert queue.snapshot().unfinished == []


def test_it_stores_alone_what_cannot_be_stored_together(
    runner: BatchRunner, queue: BatchQueue, store: Store, log: Log
) -> None:
    first, poisoned, third = (
        queue.put(make_messages(payload), source="bridge-1") for payload in (b"1", b"p", b"3")
    )
    runner._claim_and_store(wait_s=0)
    assert list(store.tables.ledger) == [first, poisoned, third]
    assert {key[0] for key in store.tables.readings} == {1, 3}
    assert names(log) == ["batch_fails", "message_isolated"]


def test_it_stores_the_others_when_one_of_them_was_stored_before(
    runner: BatchRunner, queue: BatchQueue, store: Store, log: Log
) -> None:
    first, second = (queue.put(make_messages(payload), source="b") for payload in (b"1", b"2"))
    store.tables.commit(ClaimedBatch(first, "b", 1, 1, 1, 1, b""), Counts(messages=1), None)
    runner._claim_and_store(wait_s=0)
    assert names(log) == ["batch_already_stored"]
    assert set(store.tables.ledger) == {first, second}
    assert {key[0] for key in store.tables.readings} == {2}


def test_it_works_until_none_has_come_for_a_while(
    runner: BatchRunner, queue: BatchQueue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [0.0]

    def pass_time(*_: Any) -> float:
        at[0] += 1
        if at[0] == workers.runner.IDLE_S - 2:
            queue.put(make_messages(b"2"), source="b")
        return at[0]

    monkeypatch.setattr(time, "monotonic", pass_time)
    queue.put(make_messages(b"1"), source="b")
    runner.run()
    assert len(store.tables.ledger) == 2
    assert workers.runner.IDLE_S * 1.5 < at[0] < workers.runner.IDLE_S * 4
    assert queue.redis.zcard("ingest:owners") == 0
    assert queue.snapshot().unfinished == []


def test_it_holds_what_nearly_all_gateways_send_and_stores_what_others_do(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    for mac in MACS[:2]:  # the second one makes nearly all
        run_batch(runner, queue.put(make_messages(b"r1", mac=mac), source="bridge-1"))
    assert read_alarm(queue.redis).startswith("2 of 2 gateways got nothing in")
    [held] = queue.snapshot().held
    assert held.id not in store.tables.ledger
    mixed = make_messages(b"r2", mac=MACS[1]) + make_messages(b"7", mac=MACS[2])
    batch_id = queue.put(mixed, source="bridge-1")
    run_batch(runner, batch_id)
    assert store.tables.second_parts[batch_id] == [0]
    run_batch(runner, f"{batch_id}.1")
    assert {batch.id for batch in queue.snapshot().held} == {held.id, f"{batch_id}.1"}
    run_batch(runner, f"{batch_id}.0")
    assert {key[0] for key in store.tables.readings} == {7}


def test_it_stores_what_it_would_hold_when_an_operator_says_so(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    for mac in MACS[:2]:
        run_batch(runner, queue.put(make_messages(b"r1", mac=mac), source="bridge-1"))
    overrule(queue.redis, for_s=60)
    [held] = queue.snapshot().held
    run_batch(runner, held.id)
    assert store.tables.ledger[held.id].messages_rejected == 1
    assert read_alarm(queue.redis) == ""


def test_it_holds_messages_that_fail_when_those_of_nearly_all_gateways_do(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    for mac in MACS[:3]:
        run_batch(runner, queue.put(make_messages(b"p1", mac=mac), source="bridge-1"))
    assert len(store.tables.ledger) == 1
    assert len(queue.snapshot().held) == 2
    run_batch(runner, queue.put(make_messages(b"p2", mac="unheard"), source="bridge-1"))
    run_batch(runner, queue.put(make_messages(b"p3", mac=MACS[0]), source=REPLAY_SOURCE))
    assert len(store.tables.ledger) == 3


def test_it_lets_go_when_the_gateways_are_served_again(
    runner: BatchRunner, queue: BatchQueue
) -> None:
    for mac in MACS[:2]:
        run_batch(runner, queue.put(make_messages(b"r1", mac=mac), source="bridge-1"))
    assert read_alarm(queue.redis)
    for number, mac in enumerate(MACS[:2]):
        batch = make_messages(b"%d" % number, mac=mac)
        run_batch(runner, queue.put(batch, source="bridge-1"))
    assert read_alarm(queue.redis) == ""


def test_it_learns_nothing_from_what_operators_send(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    for mac in MACS:
        run_batch(runner, queue.put(make_messages(b"r1", mac=mac), source=REPLAY_SOURCE))
    assert queue.snapshot().held == []
    assert read_alarm(queue.redis) == ""
    assert len(store.tables.ledger) == len(MACS)


def test_it_begins_with_the_alarm_that_others_raised(
    runner: BatchRunner, queue: BatchQueue, store: Store
) -> None:
    raise_alarm(queue.redis, reason="others saw it")
    run_batch(runner, queue.put(make_messages(b"r1"), source="bridge-1"))
    assert len(queue.snapshot().held) == 1
    assert read_alarm(queue.redis) == "others saw it"
    assert len(queue.snapshot().held) == 1


def test_it_leaves_the_alarm_that_others_raised_after_it_began(
    runner: BatchRunner, queue: BatchQueue
) -> None:
    run_batch(runner, queue.put(make_messages(b"1"), source="bridge-1"))
    raise_alarm(queue.redis, reason="others saw it")
    run_batch(runner, queue.put(make_messages(b"2"), source="bridge-1"))
    assert read_alarm(queue.redis) == "others saw it"


def test_it_notes_progress_once_a_second(
    runner: BatchRunner, queue: BatchQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [100.0]
    notes: list[str] = []
    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    monkeypatch.setattr(workers.runner, "note_progress", lambda _, pool, **__: notes.append(pool))
    for step_s in (0.0, 0.5, 0.5, 0.9):
        at[0] += step_s
        run_batch(runner, queue.put(make_messages(b"1"), source="bridge-1"))
    assert notes == ["pool", "pool"]


def test_it_closes_its_connections(
    runner: BatchRunner, queue: BatchQueue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(queue.redis, "close", lambda: closed.append("redis"), raising=False)
    runner.close()
    assert store.is_closed
    assert closed == ["redis"]
