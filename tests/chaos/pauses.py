"""Pauses that outlast a limit: others do the work meanwhile, and then the paused one goes on."""

import os
import signal

from tests.chaos.cause import Cause, restore
from tests.chaos.schedule import Kind
from tests.chaos.stack import STALE_S, VISIBILITY_S, ChaosStack, resume_tree, stop_tree

PAST_STALE_S = (STALE_S + 1.0, STALE_S + 4.0)
# The safety net looks every 10 s, and tasks come back a moment after their time.
PAST_VISIBILITY_S = (VISIBILITY_S + 1.0, VISIBILITY_S + 4.0)


def list_pauses() -> list[Cause]:
    """Workers, bridge, Redis and PostgreSQL, past the stale limit; a worker's child past both."""
    return [
        *(_pause_process(name) for name in ("bridge", "ingest", "maintenance")),
        *(_pause_server(name) for name in ("redis", "postgres")),
        Cause(
            Kind(
                "ingest: pause of a child past the visibility timeout", "ingest", PAST_VISIBILITY_S
            ),
            stop_child,
            lambda stack: resume_tree(stack.processes["ingest"].pid),
        ),
    ]


def _pause_process(name: str) -> Cause:
    return Cause(
        Kind(f"{name}: pause past the stale limit", name, PAST_STALE_S),
        lambda stack: stop_tree(stack.processes[name].pid),
        lambda stack: resume_tree(stack.processes[name].pid),
    )


def _pause_server(name: str) -> Cause:
    return Cause(
        Kind(f"{name}: pause past the stale limit", name, PAST_STALE_S),
        lambda stack: stop_tree(stack.find(name).pid),
        restore(name),
    )


def stop_child(stack: ChaosStack) -> None:
    """One of two, most likely with a batch in hand: the other goes on, and gets its batch too."""
    os.kill(stack.processes["ingest"].children()[0], signal.SIGSTOP)
