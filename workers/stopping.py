"""Tell the children of a worker that it is stopping, so that no one waits for a dead database.

Celery's parent process gets the signal; its children share this event by inheritance.
"""

from billiard import Event

_stopping = Event()


def begin_stop() -> None:
    """End every wait of this worker, now and from now on."""
    _stopping.set()


def wait_unless_stopping(delay_s: float) -> bool:
    """Sleep; False when the worker is stopping."""
    return not _stopping.wait(delay_s)


def is_stopping() -> bool:
    """Whether the worker is stopping."""
    return bool(_stopping.is_set())
