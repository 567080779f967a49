"""Collect messages into batches: when to flush, and what must be acknowledged afterwards.

Policy only: no socket, no clock. The rule is a leading-edge linger: after a quiet spell the first
message goes at once; while messages keep coming they are collected for `linger_s`, or until the
batch is full. So an idle system waits for nothing. A batch costs the same whatever is in it, so the
linger grows with the rate, up to `busy_linger_s` at `BUSY_RATE`: a loaded system sends large
batches. It grows as well with the time that what was sent before waits to be stored, up to
`late_linger_s`: a pool that falls behind gets fewer and larger batches until it keeps up.
"""

from msgspec import Struct

from telemetry.core.batch import RawMessage

BUSY_RATE = 20_000  # messages a second
LATENESS_SHARE = 1 / 8  # of the time that batches wait, a batch lingers
RATE_MEMORY = 0.7  # share of the former estimate that is kept with each batch


class FlushPolicy(Struct, frozen=True):
    """When a batch is complete."""

    messages: int
    payload_bytes: int
    linger_s: float
    late_linger_s: float = 0.0
    busy_linger_s: float = 0.0


class Collected(Struct):
    """A complete batch: messages in order of arrival, with the packet ids to acknowledge."""

    messages: list[RawMessage]
    packet_ids: list[int]
    generation: int


class Collector:
    """The batch that is being filled. Packet ids belong to one connection, its generation."""

    def __init__(self, policy: FlushPolicy) -> None:
        self._policy = policy
        self._messages: list[RawMessage] = []
        self._packet_ids: list[int] = []
        self._generation = 0
        self._first_at = 0.0
        self._flushed_at = float("-inf")
        self._rate = 0.0  # messages a second, as estimated at the last batch
        self.payload_bytes = 0
        self.lateness_s = 0.0  # how long what was sent waits to be stored

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: RawMessage, *, packet_id: int, now_s: float) -> None:
        """Add a message. `packet_id` is 0 for QoS 0, which needs no acknowledgement."""
        if not self._messages:
            self._first_at = now_s
        self._messages.append(message)
        self.payload_bytes += len(message.payload)
        if packet_id:
            self._packet_ids.append(packet_id)

    def is_full(self) -> bool:
        """Whether the batch has reached its size and must be flushed before more is read."""
        return (
            len(self._messages) >= self._policy.messages
            or self.payload_bytes >= self._policy.payload_bytes
        )

    def wait_s(self, *, now_s: float) -> float | None:
        """Seconds until the batch is due, 0 when it is; None when there is nothing to flush."""
        if not self._messages:
            return None
        if self.is_full():
            return 0.0
        linger_s = self.linger_s
        if self._first_at - self._flushed_at >= linger_s:
            return 0.0
        return max(0.0, self._first_at + linger_s - now_s)

    @property
    def linger_s(self) -> float:
        """How long a batch is collected while messages flow as they do now."""
        policy = self._policy
        busy_s = policy.busy_linger_s * min(1.0, self._rate / BUSY_RATE)
        late_s = min(policy.late_linger_s, self.lateness_s * LATENESS_SHARE)
        return max(policy.linger_s, busy_s, late_s)

    def flush(self, *, now_s: float) -> Collected:
        """Hand over the batch and start a new one."""
        collected = Collected(self._messages, self._packet_ids, self._generation)
        rate = len(self._messages) / max(now_s - self._flushed_at, 1e-3)
        self._rate = RATE_MEMORY * self._rate + (1 - RATE_MEMORY) * rate
        self._clear()
        self._flushed_at = now_s
        return collected

    def start_generation(self) -> int:
        """A new connection: what was not flushed will come again, its packet ids are void.

        Returns how many messages were let go.
        """
        dropped = len(self._messages)
        self._clear()
        self._generation += 1
        return dropped

    @property
    def generation(self) -> int:
        """The number of the connection that packet ids belong to now."""
        return self._generation

    def _clear(self) -> None:
        self._messages, self._packet_ids, self.payload_bytes = [], [], 0
