"""Work in pieces with rests between them, so that others get the processor as well."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

PIECE_DEVICES = 50
RESTS = 4  # times as long as the piece before
BUDGET_S = 15.0


class Pace:
    """How the scheduled refresh reads the hour that is going on.

    All of that hour is read again each minute, more with every message, and on a busy machine all
    others waited for it. Late hours are read as fast as can be. The rests of one refresh come to at
    most 15 s: no month is closed and no old row pruned while it runs.
    """

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self._sleep = sleep
        self._left_s = BUDGET_S

    def split(self, device_ids: Sequence[int]) -> Iterator[list[int]]:
        """Pieces of the devices. Each is to be worked off before the next one is asked for."""
        for first in range(0, len(device_ids), PIECE_DEVICES):
            started_s = time.monotonic()
            yield list(device_ids[first : first + PIECE_DEVICES])
            if first + PIECE_DEVICES < len(device_ids):
                self._rest(time.monotonic() - started_s)

    def _rest(self, worked_s: float) -> None:
        rest_s = min(RESTS * worked_s, self._left_s)
        self._left_s -= rest_s
        if rest_s:
            self._sleep(rest_s)
