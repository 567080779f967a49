"""What must hold in every run: looked at while it goes on, and when everything is at rest."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from telemetry.core.batch import CLAIMS_KEY, READY_KEY, RETRY_KEY, RawMessage
from tests.simulation.cases import GOOD, HARD_LIMIT, KILLER, POISON, REFUSED
from tests.simulation.schedule import Event
from tests.simulation.world import Actor

if TYPE_CHECKING:
    from tests.simulation.plant import Plant

CLAIMS = CLAIMS_KEY.encode()
LISTS = (READY_KEY.encode(), RETRY_KEY.encode())


class Hand:
    """Batches with a worker."""

    def __init__(self, owner: str, batch_ids: list[str]) -> None:
        self.claims = CLAIMS + owner.encode()
        self.batch_ids = batch_ids
        self.has_waited = self.is_touched = False  # then its start does not count any more


class Watch:
    """Sees what the processes do."""

    def __init__(self, plant: "Plant") -> None:
        self._plant = plant
        self._hands: dict[str, Hand] = {}
        # Starts that events ended, or had besides: a lost task is given back and sent again.
        self._extra_starts = 0

    @contextmanager
    def hand(self, actor: Actor, owner: str, batch_ids: list[str]) -> Iterator[None]:
        """A worker has batches in hand."""
        self._hands[actor.name] = Hand(owner, batch_ids)
        try:
            yield
        finally:
            del self._hands[actor.name]

    def call_redis(self, effect: Callable[[], Any]) -> Any:
        """What somebody does at Redis: nobody takes from a living worker, nothing waits twice."""
        data = self._plant.data
        before, writes = self._list_claims_of_others(), data.writes
        reply = effect()
        if data.writes != writes:
            self._check_claims(before)
        return reply

    def _list_claims_of_others(self) -> dict[str, list[bytes]]:
        plant = self._plant
        if not self._hands:
            return {}
        return {
            actor.name: list(plant.data.keys.get(hand.claims, ()))
            for actor in plant.world.actors
            if (hand := self._hands.get(actor.name)) is not None
            and actor is not plant.world.current
            and plant.is_awake(actor)
        }

    def _check_claims(self, before: dict[str, list[bytes]]) -> None:
        world, keys = self._plant.world, self._plant.data.keys
        for name, claimed in before.items():
            if keys.get(self._hands[name].claims, []) != claimed:
                world.violate(f"what {name} holds is taken over although it lives")
        listed = [
            batch_id
            for key, held in keys.items()
            if key in LISTS or key.startswith(CLAIMS)
            for batch_id in held
        ]
        if len(listed) != len(set(listed)):
            world.violate(f"a batch waits twice, or with a worker that has it: {listed}")

    def note_wait(self) -> None:
        """A worker has waited, and is about to say so."""
        hand = self._find_hand()
        if hand is not None:
            hand.has_waited = True

    def note_try(self) -> None:
        """A worker tries to store: by now it has said that it waited."""
        hand = self._find_hand()
        if hand is not None:
            hand.is_touched = hand.has_waited

    def _find_hand(self) -> Hand | None:
        actor = self._plant.world.current
        return None if actor is None else self._hands.get(actor.name)

    def note_event(self, actor: Actor, event: Event) -> None:
        """Something befell an actor."""
        hand = self._hands.get(actor.name)
        if hand is not None and hand.is_touched:
            return
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


def is_at_rest(plant: "Plant") -> bool:
    """Whether nobody has anything left to do."""
    keys, now = plant.data.keys, plant.world.now
    return (
        plant.is_published
        and plant.broker.is_empty
        and not any(
            name in keys
            for name in (b"ingest:pending", b"ingest:held", b"unacked_index", b"ingest", *LISTS)
        )
        and not any(name.startswith(CLAIMS) for name in keys)
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
    if received > plant.broker.delivered:
        found.append(f"received {received}, the broker delivered {plant.broker.delivered}")
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
    is_limited = plant.tables.dead_letters[message.topic, payload, "rate_limited"]
    if is_limited and plant.case.limit != HARD_LIMIT:
        yield f"{payload!r} was rejected for its rate below the hard limit"
    if kind == GOOD and isolated[payload] and not plant.watch.may_isolate():
        yield f"{payload!r} is good and became a dead letter"
