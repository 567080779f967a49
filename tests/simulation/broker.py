"""A broker in memory, with QoS 1, and the session that a bridge has with it.

`SimSession` offers what `ingest_bridge.session.Session` does. Packet ids are never used again over
connections, so an acknowledgement of an older connection is seen at once.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from telemetry.core.batch import RawMessage
from tests.simulation.world import World

PACKETS_A_READ = 3
IDLE_WAIT_S = 25.0  # what half a second of waiting becomes, to skip idle rounds


class Packet(NamedTuple):
    """What lies in a socket."""

    kind: str
    message: RawMessage | None = None
    packet_id: int = 0


class ServerSession:
    """What the broker keeps for one client id."""

    def __init__(self) -> None:
        self.waiting: deque[RawMessage] = deque()
        self.unacked: dict[int, RawMessage] = {}
        self.connection = 0
        self.socket: deque[Packet] | None = None


class Broker:
    """Hands each message to one session of the group, in turn, until it is acknowledged."""

    def __init__(self, world: World, *, receive_maximum: int) -> None:
        self._world = world
        self._receive_maximum = receive_maximum
        self._packet_ids = count(1)
        self._turn = count()
        self.sessions: dict[str, ServerSession] = {}
        self.acknowledged: list[RawMessage] = []
        self.delivered = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for a bridge."""
        return not any(held.waiting or held.unacked for held in self.sessions.values())

    def publish(self, message: RawMessage) -> None:
        """Take a message; from here on it must not be lost."""
        names = sorted(self.sessions)
        session = self.sessions[names[next(self._turn) % len(names)]]
        session.waiting.append(message)
        self._deliver(session)

    def connect(self, session: ServerSession) -> deque[Packet]:
        """A new connection; what is unacknowledged will come again, before anything else."""
        self.cut(session)
        session.connection += 1
        session.socket = deque([Packet("connack")])
        self._deliver(session)
        return session.socket

    def subscribe(self, session: ServerSession) -> None:
        """Answer a SUBSCRIBE."""
        if session.socket is not None:
            session.socket.append(Packet("suback"))

    def cut(self, session: ServerSession) -> None:
        """The connection is gone."""
        session.socket = None
        session.waiting.extendleft(reversed(session.unacked.values()))
        session.unacked = {}

    def acknowledge(
        self, session: ServerSession, socket: deque[Packet] | None, packet_ids: list[int]
    ) -> None:
        """Take PUBACKs; those that come through a dead socket are lost."""
        if socket is None or session.socket is not socket:
            return
        for packet_id in packet_ids:
            message = session.unacked.pop(packet_id, None)
            if message is None:
                self._world.violate(f"packet {packet_id} is acknowledged on another connection")
            else:
                self.acknowledged.append(message)
        self._deliver(session)

    def _deliver(self, session: ServerSession) -> None:
        if session.socket is None:
            return
        while session.waiting and len(session.unacked) < self._receive_maximum:
            message, packet_id = session.waiting.popleft(), next(self._packet_ids)
            session.unacked[packet_id] = message
            self.delivered += 1
            session.socket.append(Packet("publish", message, packet_id))


class SimSession:
    """The bridge's end. `deliver` gets each message with its packet id."""

    def __init__(
        self,
        world: World,
        broker: Broker,
        server: ServerSession,
        deliver: Callable[[RawMessage, int], None],
    ) -> None:
        self._world = world
        self._broker = broker
        self._server = server
        self._deliver = deliver
        self._socket: deque[Packet] | None = None
        self.topic = "telemetry"
        self.is_ready = self.is_retiring = self.was_present = False
        self.broker_dropped: int | None = None
        self.broker_denials: dict[str, int] = {}
        self.is_new = False

    @property
    def is_open(self) -> bool:
        """Whether there is a socket, as far as this end knows."""
        return self._socket is not None

    def connect(self) -> None:
        """Raises `OSError`."""

        def effect() -> None:
            self._socket = self._broker.connect(self._server)

        self._call("connects", effect, partial(OSError, "no broker"))

    def wait(self, timeout_s: float) -> tuple[bool, bool]:
        """Wait until there is something to read, the end of the connection included."""
        if self._socket is None:
            return False, False
        if not self._is_readable():
            longest_s = IDLE_WAIT_S if timeout_s >= 0.5 else timeout_s
            self._world.sleep(longest_s, until=self._is_readable)
        return self._is_readable(), False

    def _is_readable(self) -> bool:
        return bool(self._socket) or self._server.socket is not self._socket

    def read(self) -> None:
        """Take a few packets out of the socket."""
        if self._is_readable():
            self._call("reads", self._take)

    def _take(self) -> None:
        socket = self._socket
        for _ in range(PACKETS_A_READ):
            if not socket:
                break
            packet = socket.popleft()
            if packet.kind == "connack":
                self.was_present = True
                self._broker.subscribe(self._server)
            elif packet.kind == "suback":
                self.is_ready = True
            else:
                assert packet.message is not None
                self._deliver(packet.message, packet.packet_id)
        if not socket and self._server.socket is not socket:
            self._socket, self.is_ready = None, False

    def write(self) -> None:
        """Nothing is ever left to send."""

    def keep_alive(self) -> None:
        """A dead connection is seen by reading."""

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Send PUBACKs."""
        socket = self._socket
        self._call(
            f"acknowledges {packet_ids}",
            lambda: self._broker.acknowledge(self._server, socket, packet_ids),
        )

    def close(self, *, for_good: bool) -> None:
        """Say goodbye. The broker keeps the session, unless it is closed for good."""
        assert not for_good, "no bridge of the simulation retires"
        self.abandon()

    def abandon(self) -> None:
        """Drop the connection."""
        self._broker.cut(self._server)
        self._socket, self.is_ready = None, False

    def _call(
        self,
        label: str,
        effect: Callable[[], Any],
        fail: Callable[[], Exception] | None = None,
    ) -> None:
        self._world.call("broker", label, effect, fail)
