"""The protocol that keeps messages, as a small model: what each party does, one step at a time.

Between any two steps any other party may go on, for as long as it likes: that is what a pause is.
A crash, a lost reply or a lost connection may happen at each step; `State.faults` says how many are
left. Time is left out: the lease of a worker that crashed runs out at any later point. So does that
of one that is stopped for long, which goes on at any later point, without its claim; who lives and
is not stopped renews in time.

Calling a worker is left out: whoever is idle may claim what is ready. So are several batches that
one worker claims at once: it stores them in one transaction or each alone, as here.

A batch stands for two messages or more with the positions 0, 1, ...; ids are like the real ones
(`A`, its halves `A.0` and `A.1`, theirs `A.10` and so on). A second start isolates. At a first one,
the second part may be above a limit: then the first part is stored, the second left for later.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

ROOTS = "AB"  # at most two batches: the second is the same messages, delivered again


@dataclass(frozen=True)
class Rules:
    """What the parties hold to. The defaults are those of the product; each False is a fault."""

    splits_enter_the_ledger: bool = True
    ack_follows_write: bool = True
    finish_follows_commit: bool = True
    repeated_write_is_noticed: bool = True
    split_is_atomic: bool = True
    dead_owners_are_taken_over: bool = True
    only_dead_owners_are_taken_over: bool = True
    who_lost_its_claim_gives_nothing_back: bool = True
    ledger_knows_of_a_split_before_redis: bool = True
    ledger_is_unique: bool = True
    first_part_is_stored_with_its_split: bool = True


class State(NamedTuple):
    """Everything that stands somewhere. Ids are sorted, so that equal states are equal."""

    messages: int  # in a batch
    faults: int  # crashes, lost replies and errors that may still come
    has_excess: bool = False  # whether the second part of a batch may be above a limit
    broker_holds: bool = True
    bridge: tuple[str, str] = ("idle", "")
    deliveries: int = 0  # how often the messages were handed to a bridge
    newest: str = ""  # Redis: the bridge's newest batch
    received: int = 0  # Redis: messages counted
    bodies: tuple[tuple[str, int], ...] = ()  # Redis: id and starts
    pending: frozenset[str] = frozenset()
    ready: frozenset[str] = frozenset()
    claimed: frozenset[str] = frozenset()  # by workers that live, or that are dead
    workers: tuple[tuple[str, str, bool], ...] = ()  # phase, batch, whether it is its own claim
    ledger: tuple[tuple[str, str], ...] = ()  # id and "stored" or "split"


Step = tuple[str, State]
IDLE = ("idle", "", False)


def positions(batch_id: str, messages: int) -> range:
    """Which messages a batch or a half of one stands for."""
    found = range(messages)
    for digit in batch_id.partition(".")[2]:
        middle = len(found) // 2
        found = found[:middle] if digit == "0" else found[middle:]
    return found


def halves(batch_id: str) -> tuple[str, str]:
    """The ids of the halves."""
    stem = batch_id if "." in batch_id else f"{batch_id}."
    return f"{stem}0", f"{stem}1"


def next_steps(state: State, rules: Rules) -> Iterator[Step]:
    """Every step that any party may take now, with what it leads to."""
    yield from _bridge_steps(state, rules)
    yield from _lease_steps(state, rules)
    for number, worker in enumerate(state.workers):
        if number and state.workers[number - 1] == worker:
            continue  # workers are all alike: the same step of its twin was taken
        yield from _worker_steps(state, rules, number)


def _bridge_steps(state: State, rules: Rules) -> Iterator[Step]:
    phase, batch_id = state.bridge
    if phase == "idle":
        if state.broker_holds and state.deliveries < len(ROOTS):
            root = ROOTS[state.deliveries]
            yield (
                f"bridge collects {root}",
                state._replace(bridge=("collected", root), deliveries=state.deliveries + 1),
            )
        return
    if phase == "collected":
        written = _write(state, batch_id, rules)
        yield f"bridge writes {batch_id}", written._replace(bridge=("written", batch_id))
        yield from _fault(state, f"the reply to the write of {batch_id} is lost", written)
        if not rules.ack_follows_write:
            yield f"bridge acknowledges {batch_id}", state._replace(broker_holds=False)
    else:
        yield (
            f"bridge acknowledges {batch_id}",
            state._replace(bridge=("idle", ""), broker_holds=False),
        )
    if state.deliveries < len(ROOTS):
        lost = state._replace(bridge=("idle", ""))
        yield from _fault(state, "bridge crashes; the broker will deliver again", lost)


def _write(state: State, batch_id: str, rules: Rules) -> State:
    if state.newest == batch_id and rules.repeated_write_is_noticed:
        return state
    return _put(state, batch_id)._replace(
        newest=batch_id, received=state.received + len(positions(batch_id, state.messages))
    )


def _lease_steps(state: State, rules: Rules) -> Iterator[Step]:
    held = {batch_id for _, batch_id, is_claim in state.workers if is_claim}
    for batch_id in sorted(state.claimed - held):
        if rules.dead_owners_are_taken_over:
            yield f"{batch_id} is taken over from a dead worker", _take_over(state, batch_id)
    for number, (phase, batch_id, is_claim) in enumerate(state.workers):
        if not is_claim:
            continue
        taken = _take_over(state, batch_id)
        if not rules.only_dead_owners_are_taken_over:
            yield f"{batch_id} is taken over from a living worker", taken
        stopped = _set_worker(taken, number, (phase, batch_id, False))
        yield f"{batch_id} is taken over from a worker that is stopped", stopped


def _take_over(state: State, batch_id: str) -> State:
    return state._replace(claimed=state.claimed - {batch_id}, ready=state.ready | {batch_id})


def _worker_steps(state: State, rules: Rules, number: int) -> Iterator[Step]:
    phase, batch_id, is_claim = state.workers[number]
    if phase == "idle":
        for ready in sorted(state.ready):
            yield _claim(state._replace(ready=state.ready - {ready}), number, ready)
        return
    if phase == "storing":
        yield from _store_steps(state, rules, number)
    elif phase == "isolating":
        yield from _isolate_steps(state, rules, number)
    elif phase in ("splitting", "leaving the rest"):
        yield from _split_steps(state, rules, number)
    elif phase == "entering":  # only when the ledger comes last
        row = dict(state.ledger).get(batch_id)
        entered = state if row else _enter(state, batch_id, "split")
        yield f"worker enters {batch_id} late", _set_worker(entered, number, IDLE)
    elif phase == "finishing":
        finished = _remove(state, batch_id, is_claim=is_claim)
        yield f"worker finishes {batch_id} in Redis", _set_worker(finished, number, IDLE)
        reply_lost = _set_worker(finished, number, (phase, batch_id, False))
        yield from _fault(state, f"the reply to the finish of {batch_id} is lost", reply_lost)
    crashed = _set_worker(state, number, IDLE)
    yield from _fault(state, f"worker that was {phase} {batch_id} crashes", crashed)
    if is_claim or not rules.who_lost_its_claim_gives_nothing_back:
        given_back = _set_worker(_take_over(state, batch_id), number, IDLE)
        yield from _fault(state, f"worker that was {phase} {batch_id} gives it back", given_back)


def _claim(state: State, number: int, batch_id: str) -> Step:
    starts = dict(state.bodies).get(batch_id, 0)
    phase = "isolating" if starts else "storing"
    label = f"worker claims {batch_id}" + (" for the second time" if starts else "")
    if batch_id not in dict(state.bodies):
        return f"worker finds nothing of {batch_id}", _set_worker(state, number, IDLE)
    claimed = _set_body(state, batch_id, 1)._replace(claimed=state.claimed | {batch_id})
    return label, _set_worker(claimed, number, (phase, batch_id, True))


def _store_steps(state: State, rules: Rules, number: int) -> Iterator[Step]:
    _, batch_id, is_claim = state.workers[number]

    def at(phase: str, to: State) -> State:
        return _set_worker(to, number, (phase, batch_id, is_claim))

    if not rules.finish_follows_commit and batch_id in dict(state.bodies):
        yield (
            f"worker finishes {batch_id} first",
            at("storing", _remove(state, batch_id, is_claim=is_claim)),
        )
        return
    row = dict(state.ledger).get(batch_id)
    if row == "split" and rules.splits_enter_the_ledger:
        yield f"worker meets the split of {batch_id}", at("splitting", state)
    elif row == "stored" and rules.ledger_is_unique:
        yield f"worker finds {batch_id} stored already", at("finishing", state)
    else:
        stored = _enter(state, batch_id, "stored")
        yield f"worker stores {batch_id}", at("finishing", stored)
        yield from _fault(state, f"the reply to the commit of {batch_id} is lost", stored)
        if state.has_excess and row is None and len(positions(batch_id, state.messages)) > 1:
            part = _enter(state, halves(batch_id)[0], "stored")
            if rules.first_part_is_stored_with_its_split:
                part = _enter(part, batch_id, "split")
            yield f"worker stores the first part of {batch_id}", at("leaving the rest", part)
            yield from _fault(state, f"the reply to the first part of {batch_id} is lost", part)
    if state.faults:
        spent = state._replace(faults=state.faults - 1)
        yield f"FAULT an unknown error stops the storing of {batch_id}", at("isolating", spent)


def _isolate_steps(state: State, rules: Rules, number: int) -> Iterator[Step]:
    _, batch_id, is_claim = state.workers[number]

    def at(phase: str, to: State) -> State:
        return _set_worker(to, number, (phase, batch_id, is_claim))

    row = dict(state.ledger).get(batch_id)
    if len(positions(batch_id, state.messages)) == 1:
        kept = state if row else _enter(state, batch_id, "stored")
        yield f"worker makes a dead letter of {batch_id}", at("finishing", kept)
    elif not (rules.splits_enter_the_ledger and rules.ledger_knows_of_a_split_before_redis):
        yield f"worker gives {batch_id} up", at("splitting", state)
    elif row == "stored":
        yield f"worker finds {batch_id} stored already", at("finishing", state)
    else:
        entered = state if row else _enter(state, batch_id, "split")
        yield f"worker enters the split of {batch_id} in the ledger", at("splitting", entered)
        yield from _fault(state, f"the reply to the split of {batch_id} is lost", entered)


def _split_steps(state: State, rules: Rules, number: int) -> Iterator[Step]:
    phase, batch_id, is_claim = state.workers[number]
    first, second = halves(batch_id)
    split = state._replace(claimed=state.claimed - ({batch_id} if is_claim else set()))
    if batch_id in state.pending:
        removed = _remove(state, batch_id, is_claim=is_claim)
        if phase == "splitting":
            removed = _put(removed, first)
        split = _put(removed, second)
        if not rules.split_is_atomic:
            crashed = _set_worker(removed, number, IDLE)
            yield from _fault(state, f"worker crashes when {batch_id} is split by half", crashed)
    is_late = rules.splits_enter_the_ledger and not rules.ledger_knows_of_a_split_before_redis
    after = ("entering", batch_id, False) if is_late else IDLE
    yield f"worker splits {batch_id} in Redis", _set_worker(split, number, after)


def _fault(state: State, label: str, to: State) -> Iterator[Step]:
    """A step that only happens while faults are left."""
    if state.faults:
        yield f"FAULT {label}", to._replace(faults=state.faults - 1)


def _put(state: State, batch_id: str) -> State:
    return _set_body(state, batch_id, 0)._replace(
        pending=state.pending | {batch_id}, ready=state.ready | {batch_id}
    )


def _remove(state: State, batch_id: str, *, is_claim: bool) -> State:
    bodies = tuple(body for body in state.bodies if body[0] != batch_id)
    claimed = state.claimed - ({batch_id} if is_claim else set())
    return state._replace(bodies=bodies, pending=state.pending - {batch_id}, claimed=claimed)


def _set_body(state: State, batch_id: str, starts: int) -> State:
    return state._replace(bodies=tuple(sorted({**dict(state.bodies), batch_id: starts}.items())))


def _enter(state: State, batch_id: str, what: str) -> State:
    return state._replace(ledger=tuple(sorted((*state.ledger, (batch_id, what)))))


def _set_worker(state: State, number: int, worker: tuple[str, str, bool]) -> State:
    others = state.workers[:number] + state.workers[number + 1 :]
    return state._replace(workers=tuple(sorted((*others, worker))))
