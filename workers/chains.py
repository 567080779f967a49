"""Long tasks work in turns, each of which sends the next one. One chain of turns is enough.

How far a chain came stands in the result of its last turn (`TaskRun`): when it began, and how many
turns were done. A turn that finds another task at work is sent again, a little later each time.
Celery may deliver a task twice: a turn that was overtaken ends, and sends nothing.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Celery
from msgspec import Struct, convert, structs, to_builtins

from telemetry.core.batch import MAINTENANCE_QUEUE
from telemetry.models import TaskRun

ALIVE = timedelta(minutes=15)
"""A chain whose last turn ended longer ago than this counts as broken off."""
FIRST_DELAY_S = 5
LONGEST_DELAY_S = 60
WAITS = 1_200
"""After so many waits in a row, most of a day, a chain ends; the next night begins another."""


class Turn(Struct, frozen=True):
    """A turn of a chain. `begun`: when the chain began, ISO in UTC; `number`: turns before this
    one; `waits`: how often in a row it found another at work; `is_last`: none comes after it."""

    begun: str
    number: int = 0
    waits: int = 0
    is_last: bool = False


def begin_turn(task: str, given: dict[str, Any] | None) -> Turn | None:
    """The turn that is due, the first of a new chain when none is given. None: another chain is
    under way, or another delivery of this turn was done."""
    run = TaskRun.objects.filter(name=task).first()
    noted = run.result.get("turn") if run is not None else None
    now = datetime.now(UTC)
    done = Turn("", is_last=True) if noted is None else convert(noted, Turn)
    if given is not None and given["begun"] == done.begun:
        turn = convert(given, Turn)
        return turn if turn.number > done.number else None
    if done.begun > now.isoformat():  # a clock jumped back: it would overtake all that come
        done = Turn("", is_last=True)
    if given is not None:
        turn = convert(given, Turn)
        return turn if turn.begun > done.begun else None
    ended_at = run.success_at if run is not None else None
    if not done.is_last and ended_at is not None and now - ended_at < ALIVE:
        return None
    return Turn(now.isoformat())


def end_turn(app: Celery, task: str, turn: Turn, *, is_left: bool, **carried: Any) -> Any:
    """Send the next turn when something is left; what the result of this one says of it.

    Sent before it is recorded: a worker that ends in between leaves two deliveries, of which one is
    overtaken, and never none.
    """
    if is_left:
        following = Turn(turn.begun, turn.number + 1)
        _send(app, task, following, carried)
    return to_builtins(structs.replace(turn, waits=0, is_last=not is_left))


def wait_turn(app: Celery, task: str, turn: Turn, *, visibility_s: int, **carried: Any) -> None:
    """Send a turn again later: another is at work.

    Far sooner than the queue would give a task that waits to another worker.
    """
    if turn.waits < WAITS:
        delay_s = min(FIRST_DELAY_S * 2**turn.waits, LONGEST_DELAY_S, visibility_s // 2)
        _send(app, task, structs.replace(turn, waits=turn.waits + 1), carried, countdown=delay_s)


def _send(
    app: Celery, task: str, turn: Turn, carried: dict[str, Any], *, countdown: int | None = None
) -> None:
    kwargs = {**carried, "turn": to_builtins(turn)}
    app.send_task(task, queue=MAINTENANCE_QUEUE, kwargs=kwargs, countdown=countdown)
