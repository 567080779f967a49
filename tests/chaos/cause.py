"""A kind of fault with what causes and heals it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.schedule import Kind
from tests.chaos.stack import ChaosStack

Step = Callable[[ChaosStack], None]


@dataclass(frozen=True)
class Cause:
    """A kind of fault with its two steps. What dies is started again by the supervisor, so that
    `heal` has work to do only where something else was changed."""

    kind: Kind
    apply: Step
    heal: Step
    prepare: Step | None = None  # before the first message, only when the kind is chosen


def do_nothing(_stack: ChaosStack) -> None:
    """What the supervisor does is enough."""


def restore(server: str) -> Step:
    """Have a server that runs and answers."""
    return lambda stack: stack.restore_server(server)
