"""Work in pieces with pauses between them, so that others get the processor too."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from math import ceil

PIECE_DEVICES = 50
PAUSES = 4  # at most so many times as long as the piece before
BUDGET_S = 5.0


class Throttle:
    """How the scheduled refresh reads the current hour: in pieces, with pauses.

    Messages come to it all the time, and on a busy machine everything else waited while they were
    read. Late hours are read at full speed. The pauses of one refresh come to at most 5 s, spread
    over its pieces: no month is closed and no old row pruned while it runs.
    """

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self._sleep = sleep
        self._left_s = BUDGET_S

    def split(self, device_ids: Sequence[int]) -> Iterator[list[int]]:
        """Pieces of the devices. Each must be done before the next one is requested."""
        for first in range(0, len(device_ids), PIECE_DEVICES):
            started_s = time.monotonic()
            yield list(device_ids[first : first + PIECE_DEVICES])
            left = ceil((len(device_ids) - first) / PIECE_DEVICES) - 1
            if left:
                self._pause(time.monotonic() - started_s, before=left)

    def _pause(self, worked_s: float, *, before: int) -> None:
        """At most an equal share of what is left of the pauses: there is one before each piece."""
        pause_s = min(PAUSES * worked_s, self._left_s / before)
        self._left_s -= pause_s
        if pause_s:
            self._sleep(pause_s)
