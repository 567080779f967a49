"""`import_readings` on a real Redis and database: the ledger of an import, line by line."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from config.celery import app
from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import INGEST_QUEUE, LAST_KEY
from telemetry.imports import feed as feed_module
from telemetry.imports import import_file as run_module
from telemetry.imports import line_batches as line_batches_module
from telemetry.queue.alarm import raise_alarm, read_alarm
from telemetry.queue.batches import BatchQueue, OvertakenError, new_id, pack_messages
from telemetry.queue.levels import Levels
from telemetry.store.db.connection import Connection
from telemetry.store.operations.delivery_report import read_report
from tests.acceptance.processes import wait_until
from tests.batches import run_batch
from tests.messages import MAC, make_message, make_payload
from workers.runner import open_runner

pytestmark = pytest.mark.integration

HEADER = "gateway_mac,timestamp,device_code,value,unit\n"


@pytest.fixture(autouse=True)
def pool(environ: dict[str, str], fleet: None, queue: BatchQueue) -> Iterator[threading.Event]:
    """A worker of the pool in a thread; it rests while the event is clear."""
    runs, ends = threading.Event(), threading.Event()
    runs.set()

    def work() -> None:
        runner = open_runner(read_options(IngestOptions), app)
        while not ends.wait(0.01):
            for batch in queue.snapshot().pending if runs.is_set() else []:
                run_batch(runner, batch.id)
        runner.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield runs
    ends.set()
    thread.join(5)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_batches_module, "BATCH_MESSAGES", 10)
    monkeypatch.setattr(run_module, "WAIT_EVERY_S", 0.01)


def line(number: int, *, value: Any = 1, code: str = "D01", mac: str = MAC) -> str:
    at = f"2026-11-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    return f"{mac},{at},{code},{value},kWh\n"


def run(file: Path, *arguments: str) -> dict[str, Any]:
    """What the command says in JSON."""
    output = StringIO()
    call_command("import_readings", str(file), "--json", *arguments, stdout=output)
    return json.loads(output.getvalue())  # type: ignore[no-any-return]


def fail(file: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and the line on stderr."""
    errors = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("import_readings", str(file), *arguments, stdout=StringIO(), stderr=errors)
    assert errors.getvalue().count("\n") == 1, errors.getvalue()
    return caught.value.code, errors.getvalue()  # type: ignore[return-value]


def rows(connection: Connection) -> int:
    [(count,)] = connection.execute("SELECT count(*) FROM reading").fetchall()
    return int(count)  # type: ignore[call-overload]


def test_it_accounts_for_every_line(
    tmp_path: Path, connection: Connection, queue: BatchQueue
) -> None:
    file = tmp_path / "history.csv"
    lines = [line(number) for number in range(30)]
    lines += [line(3), line(4, value=2), line(50, code="X"), line(51, value='"12,5"'), "rubbish\n"]
    file.write_text(HEADER + "\n".join(lines) + "\n  \n", encoding="utf-8")
    done = run(file)
    assert (done["lines"], done["empty_lines"], done["difference"]) == (35, 36, 0)
    assert (done["messages_stored"], done["messages_duplicate"]) == (30, 1)
    assert (done["messages_dead_lettered"], done["dead_letters"]) == (4, 4)
    assert done["dead_letters_by_reason"] == {
        "bad_json": 1, "bad_value": 1, "conflicting_reading": 1, "unknown_device": 1
    }  # fmt: skip
    assert (done["readings_stored"], done["readings_rejected"], done["batches"]) == (30, 3, 4)
    report = read_report(connection, queue, count_rows=True)
    assert report.is_balanced
    assert (report.rows, report.received) == (30, 35)
    [(source,)] = connection.execute("SELECT DISTINCT source FROM batch").fetchall()
    assert source == "import"
    [(payload,)] = connection.execute(
        "SELECT payload FROM dead_letter WHERE reason = 'bad_json'"
    ).fetchall()
    assert payload == b"rubbish"


def test_it_leaves_the_presence_of_gateways_alone(tmp_path: Path, connection: Connection) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(make_payload())
    assert run(file)["messages_stored"] == 1
    assert connection.execute(
        "SELECT count(*) FROM gateway WHERE is_online OR last_seen IS NOT NULL"
    ).fetchall() == [(0,)]


def test_it_does_nothing_twice_unless_told(tmp_path: Path, connection: Connection) -> None:
    file, packed = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    file.write_text(HEADER + "".join(line(number) for number in range(25)) + "\n\n")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    first = run(file)
    again = run(packed)  # the same lines under another name
    assert again["sent_before"] == again["lines"] == 25
    assert (again["batches"], again["messages_stored"]) == (3, 25)
    assert again["batch_prefix"] == first["batch_prefix"]
    third = run(file, "--again")
    assert (third["messages_stored"], third["messages_duplicate"]) == (0, 25)
    assert third["batch_prefix"] != first["batch_prefix"]
    assert run(file)["batch_prefix"] == third["batch_prefix"]
    assert rows(connection) == 25


def test_it_begins_again_when_redis_has_forgotten_the_file(
    tmp_path: Path, queue: BatchQueue, connection: Connection
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + "".join(line(number) for number in range(25)))
    run(file)
    queue.redis.delete(*queue.redis.keys(f"{LAST_KEY}import:*"))
    assert run(file)["messages_duplicate"] == 25
    assert read_report(connection, queue, count_rows=True).is_balanced


@pytest.mark.parametrize("at", ["before the write", "after the write", "after all"])
@pytest.mark.parametrize("batch", [0, 1, 2])
def test_it_goes_on_where_it_was_ended(
    tmp_path: Path,
    connection: Connection,
    queue: BatchQueue,
    monkeypatch: pytest.MonkeyPatch,
    at: str,
    batch: int,
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + "\n".join(line(n, value="x" * (n == 7) or 1) for n in range(29)))
    left = [batch]

    def break_off(original: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
        def breaking(*arguments: Any, **rest: Any) -> Any:
            left[0] -= 1
            if left[0] < 0 and before:
                raise KeyboardInterrupt
            result = original(*arguments, **rest)
            if left[0] < 0:
                raise KeyboardInterrupt
            return result

        return breaking

    owner, name = (run_module, "put_batch") if at == "after all" else (BatchQueue, "write")
    with monkeypatch.context() as patched:
        broken = break_off(getattr(owner, name), before=at.startswith("before"))
        patched.setattr(owner, name, broken)
        code, words = fail(file)
        assert code == 130
        assert "no line was sent now" in words or "the same command continues" in words
    done = run(file)
    assert (done["messages_stored"], done["messages_duplicate"]) == (28, 0)
    assert (done["messages_dead_lettered"], done["difference"]) == (1, 0)
    assert done["sent_before"] == 10 * (batch + (not at.startswith("before"))) - (
        batch == 2 and not at.startswith("before")
    )
    report = read_report(connection, queue, count_rows=True)
    assert (report.received, report.rows, report.is_balanced) == (29, 28, True)


def test_it_calls_a_worker_again_when_it_resumes(
    tmp_path: Path, queue: BatchQueue, pool: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.clear()
    file = tmp_path / "a.csv"
    file.write_text(HEADER + line(1))
    with monkeypatch.context() as patched:
        patched.setattr(BatchQueue, "ring", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(file)
    assert queue.redis.llen(INGEST_QUEUE) == 0
    run(file, "--no-wait")
    assert queue.redis.llen(INGEST_QUEUE) == 1
    [pending] = queue.snapshot().pending
    assert pending.messages_count == 1


def test_it_stops_when_another_process_is_ahead(
    tmp_path: Path, queue: BatchQueue, monkeypatch: pytest.MonkeyPatch, connection: Connection
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + "".join(line(number) for number in range(29)))
    hindrance, looks = run_module.find_hindrance, []

    def look(redis: Any) -> str:
        looks.append(1)
        if len(looks) == 2:  # after the first batch another process does all the rest
            assert run(file)["messages_stored"] == 29
        return hindrance(redis)

    monkeypatch.setattr(run_module, "find_hindrance", look)
    code, words = fail(file)
    assert (code, "another process imports it too" in words) == (1, True)
    report = read_report(connection, queue, count_rows=True)
    assert (report.received, report.rows, report.is_balanced) == (29, 29, True)


def test_it_writes_only_behind_the_batch_that_it_knows(queue: BatchQueue) -> None:
    def write(batch_id: str, after: str) -> bool:
        written = queue.write(
            batch_id,
            pack_messages([make_message()]),
            count=1,
            source="import",
            producer="import:x",
            received_us=1,
            after=after,
        )
        return written.is_new

    first, second, third = new_id(), new_id(), new_id()
    assert write(first, "") is True
    assert write(first, "") is False
    with pytest.raises(OvertakenError):
        write(second, "")
    assert write(second, first) is True
    with pytest.raises(OvertakenError):
        write(third, first)
    assert queue.read_last("import:x") == second
    assert queue.snapshot().received_messages == 2


def test_it_stops_before_a_bad_file_becomes_dead_letters(
    tmp_path: Path, queue: BatchQueue, connection: Connection
) -> None:
    file = tmp_path / "a.csv"
    # Good at first: what counts are the last batches, not all that went before.
    lines = [line(number) for number in range(300)]
    lines += [line(number, code="X") for number in range(300, 600)]
    file.write_text(HEADER + "".join(lines))
    code, words = fail(file)
    assert code == 1
    assert "60 of the last 100 lines would be rejected, first line 302: unknown_device" in words
    assert "350 lines are in the queue" in words
    queue_left = read_report(connection, queue)
    assert queue_left.received == 350
    done = run(file, "--max-rejected", "100")
    assert (done["messages_stored"], done["messages_dead_lettered"]) == (300, 300)
    assert done["sent_before"] == 350


def test_it_validates_and_sends_nothing_in_a_dry_run(
    tmp_path: Path, queue: BatchQueue, connection: Connection
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + line(1) + "\n" + line(2, code="X") + line(3) + line(4, mac="zz"))
    done = run(file, "--dry-run")
    assert (done["lines"], done["empty_lines"]) == (4, 1)
    assert (done["messages_good"], done["messages_rejected"]) == (2, 2)
    assert done["dead_letters_by_reason"] == {"mac_mismatch": 1, "unknown_device": 1}
    assert [example["line"] for example in done["examples"]] == [4, 6]
    code, words = fail(file, "--dry-run", "--max-rejected", "40")
    assert (code, "2 of the last 4 lines" in words) == (1, True)
    assert queue.snapshot().received_messages == 0
    assert rows(connection) == 0


def test_it_lets_live_messages_in_while_it_fills_dead_letters(
    tmp_path: Path, queue: BatchQueue, connection: Connection
) -> None:
    """All gateways of an import are rejected: that says nothing of the gateways of now."""
    from telemetry.models import Account, Gateway

    account = Account.objects.get(name="Conta Teste Telemetria")
    macs = [f"02:00:00:00:00:{number:02x}" for number in range(30)]
    for mac in macs:
        Gateway.objects.create(account=account, code=mac[-2:], mac=mac, name=mac)
    file = tmp_path / "a.csv"
    file.write_text(HEADER + "".join(line(number, mac=mac) for number, mac in enumerate(macs)))
    run(file, "--max-rejected", "100", "--no-wait")
    wait_until(lambda: not queue.snapshot().pending, timeout_s=10, what="nothing is held")
    assert run(file)["dead_letters_by_reason"] == {"unknown_device": 30}
    assert read_alarm(queue.redis) == ""


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("none.csv", None, "No such file"),
        ("a.txt", b"x", "expected a name that ends in .csv, .jsonl"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n \n", "is empty: expected a header"),
        ("a.csv", HEADER.encode(), "holds no readings"),
        ("a.jsonl", b"\n\n", "holds no readings"),
        ("a.csv", b"a,b,c\n1,2,3\n", "lacks gateway_mac, timestamp"),
        ("a.csv.gz", b"no gzip", "cannot be unpacked"),
        ("a.jsonl.gz", gzip.compress(b"x" * 5000, mtime=0)[:-9], "cannot be unpacked"),
    ],
)
def test_it_says_what_is_wrong_with_a_file(
    tmp_path: Path, queue: BatchQueue, name: str, data: bytes | None, words: str
) -> None:
    file = tmp_path / name
    if data is not None:
        file.write_bytes(data)
    for options in ([], ["--dry-run"]):
        code, said = fail(file, *options)
        assert code == 2
        assert words in said
    assert queue.snapshot().received_messages == 0


def test_it_stops_when_the_file_changes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queue: BatchQueue
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + "".join(line(number) for number in range(29)))

    def find_hindrance(_: Any) -> str:
        with file.open("a") as appended:
            appended.write(line(30))
        return ""

    monkeypatch.setattr(run_module, "find_hindrance", find_hindrance)
    code, words = fail(file)
    assert (code, "was changed while it was read" in words) == (2, True)
    assert queue.snapshot().received_messages == 10


def test_it_waits_for_room_and_says_when_no_pool_takes_anything(
    tmp_path: Path,
    queue: BatchQueue,
    pool: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pool.clear()
    monkeypatch.setattr(feed_module, "PENDING_HIGH", 20)
    monkeypatch.setattr(feed_module, "STALL_S", 0.2)
    file = tmp_path / "a.csv"
    file.write_text(HEADER + "".join(line(number) for number in range(95)))
    timer = threading.Timer(2, pool.set)
    timer.start()
    most = []
    put = run_module.put_batch

    def watch(*arguments: Any) -> None:
        put(*arguments)
        most.append(queue.snapshot().pending_messages)

    monkeypatch.setattr(run_module, "put_batch", watch)
    assert run(file)["messages_stored"] == 95
    timer.join()
    assert max(most) <= 20
    assert "expected a running worker pool" in capsys.readouterr().err


def test_it_waits_while_the_guard_holds_live_batches(queue: BatchQueue) -> None:
    assert feed_module.find_hindrance(queue.redis) == ""
    raise_alarm(queue.redis, reason="30 of 30 gateways got nothing in")
    assert "30 of 30 gateways" in feed_module.find_hindrance(queue.redis)


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (Levels(99_999, 59, 1), ""),
        (Levels(100_000, 0, 1), "100,000 messages wait"),
        (Levels(10_000, 0, 11), "10,000 messages wait"),
        (Levels(9_999, 0, 1000), ""),
        (Levels(0, 61, 0), "61% full"),
    ],
    ids=["room", "some 50 batches", "a slow pool", "one batch is stuck", "memory"],
)
def test_it_puts_no_more_than_live_messages_can_bear(levels: Levels, words: str) -> None:
    said = feed_module.find_backlog(levels)
    assert words in said if words else said == ""
