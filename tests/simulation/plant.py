"""The processes of a run around the real code: bridges, workers, the safety net, gateways."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from functools import partial
from itertools import count
from typing import Any

from kombu.exceptions import OperationalError as QueueError
from psycopg import OperationalError
from redis import RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from ingest_bridge.bridge import Bridge
from ingest_bridge.errors import BridgeError
from telemetry.core.batch import INGEST_QUEUE, OWNERS_KEY, RawMessage
from telemetry.queue import requeue
from telemetry.queue.alarm import overrule, read_alarm
from telemetry.queue.batches import LEASE_S, BatchQueue, ClaimedBatch
from tests.simulation.broker import Broker, ServerSession, SimSession
from tests.simulation.cases import BRIDGE, INGEST, STALE_AFTER_S, Case, validate
from tests.simulation.lean_client import LeanRedis
from tests.simulation.lean_redis import Data
from tests.simulation.memory_store import MemoryStore, Tables
from tests.simulation.schedule import Event
from tests.simulation.watch import Watch
from tests.simulation.world import FOREVER, Actor, Crash, World
from workers.runner import BatchRunner

VISIBILITY_S = 30.0
REQUEUE_EVERY_S = 10.0
OPERATOR_LOOKS_EVERY_S = 60.0
UNACKED, UNACKED_INDEX = b"unacked", b"unacked_index"
TASKS, OWNERS = INGEST_QUEUE.encode(), OWNERS_KEY.encode()
NO_REDIS = partial(RedisConnectionError, "no answer")
NO_QUEUE = partial(QueueError, "no answer")
NO_DATABASE = partial(OperationalError, "no answer")


class SimCelery:
    """The Celery app, as far as the queue asks it."""

    plant: "Plant"

    def send_task(self, _name: str, *, queue: str, **_: Any) -> None:
        """Put a task into its list, as kombu does."""
        plant = self.plant
        text = b'{"headers": {"id": "%d"}}' % next(plant.tags)
        send = partial(plant.data.run, "LPUSH", queue, text, may_exceed=True)
        plant.world.call("redis", "sends a task", send, NO_QUEUE)


class Wiring:
    """What is made once for many runs: the queue reads its scripts when it is made."""

    def __init__(self) -> None:
        self.redis = LeanRedis(Data(lambda: 0.0))
        self.celery = SimCelery()
        self.queue = BatchQueue(self.redis, self.celery)  # type: ignore[arg-type]


class Plant:
    """Servers and processes of one run."""

    def __init__(self, world: World, case: Case, wiring: Wiring) -> None:
        self.world = world
        self.case = case
        self.data = Data(lambda: world.now)
        self.tables = Tables()
        self.broker = Broker(world, receive_maximum=6)
        self.watch = Watch(self)
        self.published: list[RawMessage] = []
        self.is_published = False
        self.bridges: dict[str, Bridge] = {}
        self.away_until = 0.0
        self.tags = count()
        self.leases: dict[str, tuple[Actor, bytes]] = {}  # the owners whose threads renew
        self.redis, self.queue = wiring.redis, wiring.queue
        self.redis.data, self.redis.gate = self.data, self._reach_redis
        self.redis.sleep = lambda seconds, until: world.sleep(seconds, until=until)
        wiring.celery.plant = self
        world.strikes = {"full": self._fill, "away": self._take_away, "cut": self._cut}
        world.on_event = self._note_event
        for number in range(case.bridges):
            self.broker.sessions[f"bridge-{number}"] = ServerSession()
            world.add(f"bridge-{number}", self._bridge)
        for number in range(case.workers):
            world.add(f"worker-{number}", self._worker)
        world.add("requeue", self._requeue)
        world.add("gateways", self._gateways).is_steady = True

    def _run(self, *command: Any) -> Any:
        """What Celery sends to Redis; it passes when Redis is full (`config.full_redis`)."""
        return self.data.run(*command, may_exceed=True)

    def _reach_redis(self, label: str, effect: Any) -> Any:
        def attempt() -> Any:
            self._renew_leases()
            return self.watch.call_redis(effect)

        return self.world.call("redis", label, attempt, NO_REDIS)

    @contextmanager
    def hold_lease(self, owner: str) -> Iterator[None]:
        """What a worker's thread does: it renews while its process lives and is not stopped."""
        actor = self.world.current
        assert actor is not None
        self.leases[actor.name] = actor, owner.encode()
        try:
            yield
        finally:
            del self.leases[actor.name]

    def _note_event(self, actor: Actor, event: Event) -> None:
        self._renew_leases()
        self.watch.note_event(actor, event)

    def _renew_leases(self) -> None:
        owners = self.data.keys.get(OWNERS, {})
        for actor, owner in self.leases.values():
            if owner in owners and self.is_awake(actor):
                owners[owner] = self.world.now + LEASE_S

    def is_awake(self, actor: Actor) -> bool:
        """Whether its threads run."""
        return not actor.is_dead and actor.paused_until <= self.world.now

    def _reach_store(self, label: str, effect: Any) -> Any:
        def attempt() -> Any:
            if self.world.now < self.away_until:
                raise NO_DATABASE()
            return effect()

        self.watch.note_try()
        return self.world.call("store", label, attempt, NO_DATABASE)

    def _fill(self, event: Event) -> None:
        self.data.full_until = self.world.now + event.argument

    def _take_away(self, event: Event) -> None:
        self.away_until = self.world.now + event.argument

    def _cut(self, event: Event) -> None:
        names = sorted(self.broker.sessions)
        self.broker.cut(self.broker.sessions[names[event.call % len(names)]])

    def open_session(self, options: Any, on_message: Any) -> SimSession:
        """What the bridge gets for a session."""
        server = self.broker.sessions[options.client_id]
        return SimSession(self.world, self.broker, server, on_message)

    def _bridge(self, actor: Actor) -> None:
        self.bridges.pop(actor.name, None)
        self.broker.cut(self.broker.sessions[actor.name])
        bridge = Bridge(BRIDGE[actor.name], self.queue, self.redis, retire=False)  # type: ignore[arg-type]
        self.bridges[actor.name] = bridge
        step = bridge.step

        def step_until_told() -> None:
            if actor.is_stopping:
                bridge.stop()
            step()

        bridge.step = step_until_told  # type: ignore[method-assign]
        try:
            bridge.run()
        except BridgeError as error:  # its supervisor starts it again
            self.world.note(f"ends: {error}")

    def _gateways(self, _actor: Actor) -> None:
        for pause_s, messages in self.case.bursts:
            self.world.sleep(pause_s)
            for message in messages:
                self.published.append(message)
                self.broker.publish(message)
        self.is_published = True
        while True:  # an operator who looks at the alarm
            self.world.sleep(OPERATOR_LOOKS_EVERY_S)
            with suppress(RedisError):
                if read_alarm(self.redis):  # type: ignore[arg-type]
                    overrule(self.redis, for_s=3_600)  # type: ignore[arg-type]

    def _requeue(self, _actor: Actor) -> None:
        while True:
            self.world.sleep(REQUEUE_EVERY_S)
            try:
                requeue.requeue_batches(self.queue, now=self.world.now, stale_after_s=STALE_AFTER_S)
            except (RedisError, QueueError) as error:
                self.world.note(f"requeue ends: {error}")

    def _worker(self, actor: Actor) -> None:
        store = MemoryStore(
            self.tables,
            partial(validate, self.world),
            gateways=self.case.gateways,
            gate=self._reach_store,
        )
        queue = copy(self.queue)
        queue.owner = f"{actor.name}-{next(self.tags)}"
        runner = BatchRunner(INGEST[self.case.attempts, self.case.limit], queue, store)  # type: ignore[arg-type]
        run_claimed = runner._run_claimed

        def run_and_watch(batches: list[ClaimedBatch]) -> None:
            with self.watch.hand(actor, queue.owner, [batch.id for batch in batches]):
                run_claimed(batches)

        runner._run_claimed = run_and_watch  # type: ignore[method-assign]
        while not actor.is_stopping:
            actor.is_busy = False
            wait_s = VISIBILITY_S if UNACKED_INDEX in self.data.keys else FOREVER
            self.world.sleep(wait_s, until=lambda: TASKS in self.data.keys)
            actor.is_busy = True
            try:
                self._restore_visible()
                text = self._reach_redis("pops a task", self._pop_task)
                if text is not None:
                    self._run_task(runner, text)
            except RedisError as error:
                self.world.note(f"connects anew: {error}")

    def _pop_task(self) -> Any:
        return self._run("RPOP", TASKS)

    def _restore_visible(self) -> None:
        """Give back the tasks that some worker holds for too long, or held when it died."""
        before = self.world.now - VISIBILITY_S
        for tag, at in list(self.data.keys.get(UNACKED_INDEX, {}).items()):
            if at < before:
                self._reach_redis("gives a task back", partial(self._give_back, tag))

    def _give_back(self, tag: bytes) -> None:
        text = self._run("HGET", UNACKED, tag)
        self._forget_task(tag)
        if text is not None:
            self._run("LPUSH", TASKS, json.dumps(json.loads(text)[0]))

    def _forget_task(self, tag: bytes) -> None:
        self._run("ZREM", UNACKED_INDEX, tag)
        self._run("HDEL", UNACKED, tag)

    def _note_task(self, tag: bytes, text: bytes) -> None:
        self._run("ZADD", UNACKED_INDEX, self.world.now, tag)
        self._run("HSET", UNACKED, tag, b'[%b, "", "ingest"]' % text)

    def _run_task(self, runner: BatchRunner, text: bytes) -> None:
        tag = b"%d" % next(self.tags)
        self._reach_redis("notes the task", partial(self._note_task, tag, text))
        try:
            runner.run()
        except Crash:
            if self.world.chance.random() < 0.5:  # only the child died: Celery sends it again
                self._give_back(tag)
            raise
        self._reach_redis("ends the task", partial(self._forget_task, tag))
