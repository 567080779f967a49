"""Walk every state of the model, breadth first, and hold each to the invariants."""

from collections import deque
from dataclasses import dataclass, field

from tests.protocol.model import IDLE, ROOTS, Rules, State, next_steps, positions


@dataclass
class Walk:
    """What was seen. `violation` is empty when every invariant held in every state."""

    states: int = 0
    steps: int = 0
    violation: str = ""
    trace: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        seen = f"{self.states:,} states, {self.steps:,} steps"
        if not self.violation:
            return f"no violation in {seen}"
        lines = [f"{number:3}. {label}" for number, label in enumerate(self.trace, 1)]
        return "\n".join([f"{self.violation} (after {seen})", *lines])


def begin(*, messages: int, workers: int, faults: int, has_excess: bool = False) -> State:
    """Nothing has happened yet: the broker holds the messages."""
    return State(messages, faults, has_excess, workers=(IDLE,) * workers)


def walk(rules: Rules, first: State) -> Walk:
    """Visit every reachable state, or stop at the first violation: its trace is a shortest one."""
    came_from: dict[State, tuple[State, str] | None] = {first: None}
    comes_to_rest: set[State] = set()
    leads_to: dict[State, list[State]] = {}
    queue = deque([first])
    found = Walk()
    while queue:
        state = queue.popleft()
        found.violation = check_state(state)
        if found.violation:
            found.states, found.trace = len(came_from), _trace(came_from, state)
            return found
        if is_at_rest(state):
            comes_to_rest.add(state)
        for label, following in next_steps(state, rules):
            found.steps += 1
            leads_to.setdefault(following, []).append(state)
            if following not in came_from:
                came_from[following] = (state, label)
                queue.append(following)
    found.states = len(came_from)
    stuck = _find_stuck(came_from, comes_to_rest, leads_to)
    if stuck is not None:
        found.violation = "what is pending never comes to an end"
        found.trace = _trace(came_from, stuck)
    return found


def check_state(state: State) -> str:
    """Which invariant the state breaks, in words; empty when all hold."""
    for root in ROOTS:
        stored = [
            position
            for batch_id, what in state.ledger
            if batch_id[0] == root and what == "stored"
            for position in positions(batch_id, state.messages)
        ]
        if len(stored) != len(set(stored)):
            return "a message is stored twice"
    for _, batch_id, is_claim in state.workers:
        if is_claim and (batch_id in state.ready or batch_id not in state.claimed):
            return "what a living worker holds is taken over"
    if state.ready & state.claimed:
        return "a batch waits although a worker has it"
    if not state.broker_holds:
        held = {
            position
            for batch_id in [*dict(state.bodies), *_stored_ids(state)]
            for position in positions(batch_id, state.messages)
        }
        if len(held) < state.messages:
            return "an acknowledged message is held nowhere"
    if is_at_rest(state):
        booked = sum(len(positions(batch_id, state.messages)) for batch_id in _stored_ids(state))
        if booked != state.received:
            return f"at rest the difference is {state.received - booked}"
    return ""


def is_at_rest(state: State) -> bool:
    """Whether nobody has anything left to do."""
    is_idle = all(phase == "idle" for phase, _, _ in state.workers) and state.bridge[0] == "idle"
    return is_idle and not (state.broker_holds or state.pending or state.ready or state.claimed)


def _stored_ids(state: State) -> list[str]:
    return [batch_id for batch_id, what in state.ledger if what == "stored"]


def _find_stuck(
    came_from: dict[State, tuple[State, str] | None],
    comes_to_rest: set[State],
    leads_to: dict[State, list[State]],
) -> State | None:
    """The first state from which no way leads to rest."""
    reached, queue = set(comes_to_rest), deque(comes_to_rest)
    while queue:
        for before in leads_to.get(queue.popleft(), []):
            if before not in reached:
                reached.add(before)
                queue.append(before)
    return next((state for state in came_from if state not in reached), None)


def _trace(came_from: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    labels: list[str] = []
    at = came_from[state]
    while at is not None:
        before, label = at
        labels.append(label)
        at = came_from[before]
    return labels[::-1]
