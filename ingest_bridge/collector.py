"""Collect messages into batches: when to flush, and what must be acknowledged afterwards.

Policy only: no socket, no clock. The rule is a leading-edge linger: after a quiet spell the first
message goes at once; while messages keep coming they are collected for `linger_s`, or until the
batch is full. So an idle system waits for nothing.

A batch costs the same whatever is in it, so while one is being stored the next one gathers, as
group commit does in databases: the linger is as long as the last batch took to be stored, up to
`late_linger_s`. A pool that is slow or falls behind gets fewer and larger batches until it keeps
up.
"""

from msgspec import Struct

from telemetry.core.batch import RawMessage


class FlushPolicy(Struct, frozen=True):
    """When a batch is complete."""

    messages: int
    payload_bytes: int
    linger_s: float
    late_linger_s: float = 0.0


class Collected(Struct):
    """A complete batch: messages in order of arrival, with the packet ids to acknowledge."""

    messages: list[RawMessage]
    packet_ids: list[int]
    generation: int
    first_s: float = 0.0  # when the first message was read, of `time.monotonic`


class Collector:
    """The batch that is being filled. Packet ids belong to one connection, its generation."""

    def __init__(self, policy: FlushPolicy) -> None:
        self._policy = policy
        self._messages: list[RawMessage] = []
        self._packet_ids: list[int] = []
        self._generation = 0
        self._first_at = 0.0
        self._flushed_at = float("-inf")
        self.payload_bytes = 0
        self.storing_s = 0.0  # how long the last batch took to be stored

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

    def add_unpacked(self, packet_id: int) -> None:
        """A message that belongs in no batch is acknowledged in its turn."""
        if packet_id:
            self._packet_ids.append(packet_id)

    def take_packet_ids(self) -> list[int]:
        """What may be acknowledged at once, because no message waits."""
        if self._messages or not self._packet_ids:
            return []
        packet_ids, self._packet_ids = self._packet_ids, []
        return packet_ids

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
        return max(self._policy.linger_s, min(self._policy.late_linger_s, self.storing_s))

    def flush(self, *, now_s: float) -> Collected:
        """Hand over the batch and start a new one."""
        collected = Collected(self._messages, self._packet_ids, self._generation, self._first_at)
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
