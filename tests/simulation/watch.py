"""What must hold in every run: looked at while it goes on, and when everything is at rest."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from telemetry.core.batch import INGEST_QUEUE, RawMessage
from telemetry.queue.tasks import LAST_SUFFIX
from tests.simulation.cases import GOOD, KILLER, POISON, REFUSED, STALE_AFTER_S
from tests.simulation.schedule import Event
from tests.simulation.world import FOREVER, Actor

if TYPE_CHECKING:
    from tests.simulation.plant import Plant

TASK_LISTS = (INGEST_QUEUE.encode(), (INGEST_QUEUE + LAST_SUFFIX).encode())


class Hand:
    """A batch with a worker."""

    def __init__(self, batch_id: str, since: float) -> None:
        self.batch_id = batch_id
        self.since = since
        self.is_disturbed = False  # an event struck the worker meanwhile


class Watch:
    """Sees what the processes do."""

    def __init__(self, plant: "Plant") -> None:
        self._plant = plant
        self._hands: dict[str, Hand] = {}
        self._taken: Counter[str] = Counter()  # by batch: how often a worker took it
        # Starts that events ended, or had besides: a lost task is given back and sent again.
        self._extra_starts = 0
        self._has_paused = False
        self._requeue_began_at = FOREVER
        self._waiting_then: frozenset[bytes] = frozenset()
        self._held_then: frozenset[bytes] = frozenset()

    @contextmanager
    def hand(self, actor: Actor, batch_id: str) -> Iterator[None]:
        """A worker has a batch in hand."""
        self._taken[batch_id] += 1
        self._hands[actor.name] = Hand(batch_id, self._plant.world.now)
        try:
            yield
        finally:
            del self._hands[actor.name]

    def note_event(self, actor: Actor, event: Event) -> None:
        """Something befell an actor."""
        hand = self._hands.get(actor.name)
        if hand is not None and event.kind not in ("switch", "away", "cut", "full"):
            hand.is_disturbed = True
        self._has_paused |= event.kind in ("pause", "late pause")
        if event.kind not in ("away", "cut", "stop"):
            self._extra_starts += 2

    def may_isolate(self) -> bool:
        """Whether so much happened that a batch was started too often without its fault."""
        return self._extra_starts >= self._plant.case.attempts

    def note_given_up(self, batch_id: str, detail: str) -> None:
        """A worker gives a batch up because it was started too often."""
        kinds = {message.payload[:1] for message in self._plant.published}
        limit = 1 if "." in batch_id else self._plant.case.attempts
        is_due = KILLER in kinds or self._extra_starts >= limit
        if detail.startswith("no end") and not is_due:
            self._plant.world.violate(f"{batch_id} is given up although its starts came to an end")

    def begin_requeue(self) -> None:
        """The safety net looks."""
        self._requeue_began_at = self._plant.world.now
        self._waiting_then = self._list_waiting()
        self._held_then = self._list_held()

    def _list_waiting(self) -> frozenset[bytes]:
        keys = self._plant.data.keys
        return frozenset(text for name in TASK_LISTS for text in keys.get(name, ()))

    def _list_held(self) -> frozenset[bytes]:
        """Tags of the tasks that workers took not long ago."""
        since = self._plant.world.now - STALE_AFTER_S
        index = self._plant.data.keys.get(b"unacked_index", {})
        return frozenset(tag for tag, at in index.items() if at > since)

    def note_sent(self, batch_id: str, text: bytes) -> None:
        """A task is about to be sent."""
        world = self._plant.world
        if world.current is None or world.current.name != "requeue":
            return
        if self._has_paused:
            return  # who was stopped acts on what it knew then: sending twice is harmless
        # Of what was held, the safety net looks only at the tasks that wait for all others.
        is_held = batch_id.encode() in self._plant.data.keys.get(b"ingest:held", {})
        if text in self._waiting_then & self._list_waiting() and not is_held:
            world.violate(f"{batch_id} is sent again although its task waits")
        unacked = self._plant.data.keys.get(b"unacked", {})
        if any(text in unacked.get(tag, b"") for tag in self._held_then & self._list_held()):
            world.violate(f"{batch_id} is sent again although a worker took its task")
        for hand in self._hands.values():
            if (
                hand.batch_id == batch_id
                and not hand.is_disturbed
                and hand.since < self._requeue_began_at
                and self._taken[batch_id] == 1
            ):
                world.violate(f"{batch_id} is sent again although a worker is at it")


def is_at_rest(plant: "Plant") -> bool:
    """Whether nobody has anything left to do."""
    keys, now = plant.data.keys, plant.world.now
    return (
        plant.is_published
        and plant.broker.is_empty
        and not any(
            name in keys
            for name in (b"ingest:pending", b"ingest:held", b"unacked_index", *TASK_LISTS)
        )
        and not any(actor.is_busy or actor.paused_until > now for actor in plant.world.actors)
        and not any(bridge._waiting_messages() for bridge in plant.bridges.values())
    )


def check_rest(plant: "Plant") -> list[str]:
    """What does not add up at rest."""
    found: list[str] = []
    counts = list(plant.tables.ledger.values())
    received = int(plant.data.keys.get(b"ingest:counters", {}).get(b"received_messages", 0))
    pending = int(plant.data.keys.get(b"ingest:counters", {}).get(b"pending_messages", 0))
    in_ledger = sum(one.messages for one in counts)
    if received != in_ledger:
        found.append(
            f"difference {received - in_ledger}: received {received}, in ledger {in_ledger}"
        )
    if pending:
        found.append(f"{pending} messages count as pending")
    left = [key.decode() for key in plant.data.keys if key.startswith(b"ingest:batch:")]
    if left:
        found.append(f"bodies are left: {left}")
    stored = {key[0] for key in plant.tables.readings}
    dead_letters: Counter[bytes] = Counter()
    isolated: Counter[bytes] = Counter()
    for (_, payload, reason), count in plant.tables.dead_letters.items():
        dead_letters[payload] += count
        if reason == "processing_error":
            isolated[payload] += count
    if len(plant.broker.acknowledged) < len(plant.published):
        found.append("not everything was acknowledged")
    for message in plant.published:
        found += _check_message(plant, message, stored, dead_letters, isolated)
    return found


def _check_message(
    plant: "Plant",
    message: RawMessage,
    stored: set[int],
    dead_letters: Counter[bytes],
    isolated: Counter[bytes],
) -> Iterator[str]:
    payload = message.payload
    kind, is_stored = payload[:1], int(payload[1:]) in stored
    if not is_stored and not dead_letters[payload]:
        yield f"{payload!r} was acknowledged and is nowhere"
    if kind in (POISON, KILLER) and not isolated[payload]:
        yield f"{payload!r} was not isolated"
    if kind == REFUSED and not dead_letters[payload]:
        yield f"{payload!r} was refused and is no dead letter"
    if kind == GOOD and isolated[payload] and not plant.watch.may_isolate():
        yield f"{payload!r} is good and became a dead letter"
