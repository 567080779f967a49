"""One behaviour for the small Redis, fakeredis and the real server: the same operations in any
order have the same replies on all, and leave the same data."""

from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

from redis.exceptions import RedisError

from ingest_bridge.lease import Lease
from telemetry.core.batch import CLAIMS_KEY, GUARD_KEY, READY_KEY, RETRY_KEY, WAKE_KEY, RawMessage
from telemetry.queue.alarm import clear_alarm, is_overruled, overrule, raise_alarm, read_alarm
from telemetry.queue.batches import BatchQueue, ClaimedBatch, OvertakenError, pack_messages
from telemetry.queue.levels import read_levels
from telemetry.queue.limits import Buckets, Demand
from telemetry.queue.pools import note_progress, note_wait
from tests.simulation.faked import FAKED, faked_modules

IDS = tuple(f"018bcfe56800-00000000000{number}" for number in range(3))
PARTS = tuple(batch_id + part for batch_id in IDS for part in ("", ".0", ".1", ".01"))
MESSAGES = [RawMessage("t", b"%d" % number) for number in range(4)]
PACKED = pack_messages(MESSAGES)


class ListingCelery:
    """Puts the task into its list."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    def send_task(self, _name: str, *, queue: str, **_: Any) -> None:
        self._redis.lpush(queue, "task")


class Subject:
    """A queue on some Redis, and one operation after the other on it."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis
        self.queue = BatchQueue(redis, ListingCelery(redis), owner="owner")  # type: ignore[arg-type]
        self.lease = Lease(redis, client_id="bridge-1")
        self.rival = Lease(redis, client_id="bridge-1")

    def do(self, choose: Random, *, without: tuple[str, ...]) -> Any:
        """Some operation; its reply, or the name of its error."""
        name = choose.choice(sorted(set(OPERATIONS).difference(without)))
        try:
            reply = OPERATIONS[name](self, choose)
        except (RedisError, OvertakenError) as error:
            reply = type(error).__name__
        return name, reply

    def look(self) -> Any:
        """Everything that stands."""
        snapshot = self.queue.snapshot()
        keys = ("ingest", READY_KEY, RETRY_KEY, WAKE_KEY, CLAIMS_KEY + "owner")
        return snapshot, [self.redis.lrange(key, 0, -1) for key in keys]


def _write(subject: Subject, choose: Random) -> Any:
    return subject.queue.write(
        choose.choice(IDS),
        PACKED,
        count=len(MESSAGES),
        source="bridge-1",
        producer=choose.choice(("bridge-1", "bridge-2")),
        received_us=1_700_000_000_000_000 + choose.randrange(10),
        after=choose.choice((None, None, "", IDS[0])),
    )


def _split(subject: Subject, choose: Random) -> None:
    batch = ClaimedBatch(choose.choice(PARTS), "bridge-1", 0, 4, 1, 1, PACKED)
    subject.queue.split(
        batch,
        MESSAGES,
        second_part=[1, 3],
        lane=choose.choice(("", "counted", "excess")),
        is_first_stored=choose.random() < 0.5,
    )


def _claim(subject: Subject, choose: Random) -> Any:
    finished = choose.choice(([], [], choose.sample(PARTS, 2)))
    return subject.queue.claim(finished=finished, most_messages=choose.choice((1, 8, 2_000)))


def _take(subject: Subject, choose: Random) -> Any:
    now_s = 1_700_000_000 + choose.randrange(4)
    demands = [
        Demand(name, choose.choice((0.5, 1, 2)), 10, choose.randint(1, 9), choose.choice((1, 3)))
        for name in choose.sample(("a", "b", "account:1"), 2)
    ]
    return Buckets(subject.redis).take(demands, excess_times=choose.choice((0, 2)), now_s=now_s)


def _write_unseen(subject: Subject, choose: Random) -> Any:
    written = _write(subject, choose)
    return written.is_new, written.needs_worker  # the clocks of the servers are their own


def _levels(subject: Subject, _: Random) -> Any:
    levels = read_levels(subject.redis)
    return levels.pending_messages, round(levels.oldest_s, 3)


OPERATIONS: dict[str, Callable[[Subject, Random], Any]] = {
    "write": _write_unseen,
    "write ": _write_unseen,
    "write  ": _write_unseen,
    "claim": _claim,
    "claim ": _claim,
    "touch": lambda subject, choose: subject.queue.touch(choose.choice(PARTS)),
    "release": lambda subject, choose: subject.queue.release(choose.choice(PARTS)),
    "hold": lambda subject, choose: subject.queue.hold(choose.choice(PARTS)),
    "finish": lambda subject, choose: subject.queue.finish(choose.choice(PARTS)),
    "split": _split,
    "delay": lambda subject, choose: subject.queue.delay(choose.choice(PARTS)),
    "take tokens": _take,
    "offer": lambda subject, choose: subject.queue.offer(choose.sample(PARTS, 3)),
    "offer last": lambda subject, choose: subject.queue.offer([choose.choice(IDS)], is_last=True),
    "watch": lambda subject, _: subject.queue.watch(),
    "renew": lambda subject, _: subject.queue.renew(),
    "leave queue": lambda subject, _: subject.queue.leave(),
    "task": lambda subject, _: subject.redis.rpop("ingest"),
    "is pending": lambda subject, choose: subject.queue.is_pending(choose.sample(PARTS, 2)),
    "oldest": lambda subject, _: subject.queue.oldest_pending_at(),
    "prefix": lambda subject, _: subject.queue.list_pending(prefix=IDS[0]),
    "last": lambda subject, _: subject.queue.read_last("bridge-1"),
    "dropped": lambda subject, choose: subject.queue.note_dropped(choose.randrange(5)),
    "read dropped": lambda subject, _: subject.queue.read_dropped(),
    "refused": lambda subject, choose: subject.queue.note_denied("k/u", choose.randrange(5)),
    "session": lambda subject, choose: subject.queue.note_session(
        choose.choice(("bridge-1", "bridge-2")), is_kept=choose.random() < 0.5
    ),
    "read events": lambda subject, _: subject.queue.read_broker_events(),
    "levels": _levels,
    "alarm": lambda subject, _: raise_alarm(subject.redis, reason="why"),
    "clear": lambda subject, _: clear_alarm(subject.redis),
    "read alarm": lambda subject, _: (read_alarm(subject.redis), subject.redis.get(GUARD_KEY)),
    "overrule": lambda subject, _: overrule(subject.redis, for_s=60),
    "overruled": lambda subject, _: is_overruled(subject.redis),
    "progress": lambda subject, _: note_progress(subject.redis, "pool"),
    "wait": lambda subject, _: note_wait(subject.redis, "pool", reason="why"),
    "pool": lambda subject, _: subject.redis.hgetall("ingest:pool:pool"),
    "lease": lambda subject, _: subject.lease._set({"state": "ready"}),
    "rival": lambda subject, _: subject.rival._set({"state": "ready"}),
    "leave": lambda subject, _: subject.lease.release(is_retired=True),
}


def assert_alike(
    first: Any, second: Any, *, seed: int, steps: int, without: tuple[str, ...] = ()
) -> None:
    """Hold two servers, both empty, to one behaviour."""
    with faked_modules():
        FAKED.world = SimpleNamespace(  # type: ignore[assignment]
            now=1_700_000_005.25, current=None, chance=Random(seed)
        )
        subjects = [Subject(first), Subject(second)]
        for subject in subjects:  # the tokens of leases stand in the replies
            subject.lease._token, subject.rival._token = "ours", "theirs"
        done: list[Any] = []
        for step in range(steps):
            replies = [
                subject.do(Random(seed * steps + step), without=without) for subject in subjects
            ]
            done.append(replies[0])
            assert replies[0] == replies[1], f"{replies} after {done}"
            looks = [subject.look() for subject in subjects]
            assert looks[0] == looks[1], f"{looks} after {done}"
