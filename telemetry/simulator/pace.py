"""When the next message is due. Pure: the clock is an argument."""

import math
from dataclasses import dataclass

UNLIMITED = 1 << 62


@dataclass(frozen=True, slots=True)
class Pace:
    """How many messages may have been sent by when.

    `rate` in messages a second from a bucket that is filled evenly and holds `burst_s` seconds'
    worth; or every `interval_s` `round_size` messages at once; or neither: no limit.
    """

    rate: float = 0.0
    interval_s: float = 0.0
    round_size: int = 1
    burst_s: float = 1.0

    def count_due(self, elapsed_s: float) -> int:
        """Messages due since the start; the first at once. Never drifts: no sum of small steps."""
        if self.interval_s:
            return (math.floor(elapsed_s / self.interval_s) + 1) * self.round_size
        if self.rate:
            return math.floor(elapsed_s * self.rate) + 1
        return UNLIMITED

    def due_at_s(self, sent: int) -> float:
        """When, after the start, message number `sent` (the first is 0) is due."""
        if self.interval_s:
            return sent // self.round_size * self.interval_s
        return sent / self.rate if self.rate else 0.0

    def measure_lag_s(self, *, sent: int, elapsed_s: float) -> float:
        """By how much the start must be moved because the bucket overflowed while none were sent.

        Intervals are kept to the clock: what was missed is sent late, with its own timestamp.
        """
        if not self.rate:
            return 0.0
        return max(elapsed_s - self.due_at_s(sent) - self.burst_s, 0.0)
