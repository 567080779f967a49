"""One MQTT connection of the simulated fleet, driven by the caller's thread.

What the broker has not acknowledged is kept here and sent again on the next connection.
"""

import random
import socket
import ssl
import time
from collections import deque
from typing import Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from config.options import SimulatorOptions
from telemetry.core.presence import OFFLINE, ONLINE
from telemetry.core.retry import backoff_delay_s
from telemetry.simulator.outcomes import SimulatedMessage
from telemetry.simulator.simulated_fleet import SimulatorError

CREDENTIALS_REFUSED = (0x86, 0x87)
TCP_TIMEOUT_S = 5.0
CONNACK_TIMEOUT_S = 10.0


class Receipts(Protocol):
    """Receives the broker's answers."""

    def add_answer(self, message: SimulatedMessage, reason: ReasonCode) -> None:
        """Enter the broker's answer to one message."""

    def add_resent(self) -> None:
        """Count a message that is sent again."""


class Connection:
    """A connection that is opened again whenever it is lost."""

    def __init__(
        self,
        options: SimulatorOptions,
        *,
        client_id: str,
        window: int,
        receipts: Receipts,
        status_topic: str = "",
    ) -> None:
        """`status_topic`: of the one gateway whose connection this is."""
        self._options = options
        self._status_topic = status_topic
        self._client_id = client_id
        self._window = self._room = window
        self._receipts = receipts
        self._client: Client | None = None
        self._fault: SimulatorError | None = None
        self._unacked: dict[int, SimulatedMessage] = {}
        self._again: deque[SimulatedMessage] = deque()
        self._attempts = 0
        self._open_at_s = 0.0
        self._opened_at_s = 0.0
        self.last_error = ""
        self.is_ready = False

    @property
    def unacked(self) -> list[SimulatedMessage]:
        """Messages that were sent and not answered yet."""
        return [*self._again, *self._unacked.values()]

    @property
    def is_idle(self) -> bool:
        """Whether everything that was sent was answered."""
        return not self._unacked and not self._again

    def has_room(self) -> bool:
        """Whether one more message may be sent now."""
        return self.is_ready and not self._again and len(self._unacked) < self._room

    def socket(self) -> socket.socket | None:
        """The socket to wait for, if there is one."""
        return self._client.socket() if self._client is not None else None  # type: ignore[return-value]

    def wants_write(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return self._client is not None and self._client.want_write()

    def publish(self, message: SimulatedMessage) -> None:
        """Queue one message for `write`. Only while `has_room`."""
        assert self._client is not None
        info = self._client.publish(message.topic, message.payload, qos=1)
        self._unacked[info.mid] = message

    def read(self) -> None:
        """Take what has arrived. Raises `SimulatorError` when the broker refuses the user."""
        if self._client is not None:
            self._check(self._client.loop_read())
        while self._client is not None and self._has_decrypted():  # which no poll sees
            self._check(self._client.loop_read())
        if self._fault is not None:
            raise self._fault

    def _has_decrypted(self) -> bool:
        socket = self.socket()
        return isinstance(socket, ssl.SSLSocket) and socket.pending() > 0

    def write(self) -> None:
        """Send what is queued, as far as the socket takes it."""
        if self._client is not None:
            self._check(self._client.loop_write())

    def keep_up(self) -> None:
        """Open the connection when it is time; ping; give up one that is silent."""
        now_s = time.monotonic()
        if self._client is None:
            if now_s >= self._open_at_s:
                self._open()
            return
        if not self.is_ready and now_s - self._opened_at_s > CONNACK_TIMEOUT_S:
            self._lose("no CONNACK")
            return
        self._check(self._client.loop_misc())

    def send_again(self) -> None:
        """Publish what an earlier connection left unanswered."""
        while self.is_ready and self._again and len(self._unacked) < self._room:
            self._receipts.add_resent()
            self.publish(self._again.popleft())

    def close(self) -> None:
        """Say goodbye and close."""
        if self._client is None:
            return
        client, self._client = self._client, None
        self.is_ready = False
        client.on_disconnect = None
        client.disconnect()
        client.loop_write()

    def _open(self) -> None:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        client.username_pw_set(self._options.user, self._options.password)
        tls = self._options.broker.make_tls()
        if tls is not None:
            client.tls_set_context(tls)
        if self._status_topic:
            client.will_set(self._status_topic, OFFLINE, qos=1)
        client.max_inflight_messages_set(0)  # the window is kept here
        client.connect_timeout = TCP_TIMEOUT_S
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        # With this set, paho queues packets and `write` sends them.
        client.on_socket_register_write = lambda *_: None
        self._opened_at_s = time.monotonic()
        self._client = client
        try:
            client.connect(
                self._options.broker.host,
                self._options.broker.port,
                keepalive=self._options.broker.keepalive_s,
                clean_start=True,
            )
        except OSError as error:
            self._lose(str(error))

    def _check(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS and self._client is not None:
            self._lose(code.name)

    def _lose(self, error: str) -> None:
        client, self._client = self._client, None
        self.is_ready = False
        self.last_error = error
        self._again.extendleft(reversed(self._unacked.values()))
        self._unacked.clear()
        self._attempts += 1
        delay_s = backoff_delay_s(self._attempts, chance=random.random())
        self._open_at_s = time.monotonic() + delay_s
        left = client.socket() if client is not None else None
        if left is not None:
            left.close()

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if client is not self._client:
            return
        if reason.value in CREDENTIALS_REFUSED:
            self._fault = SimulatorError(
                f"MQTT_GATEWAY_USER={self._options.user!r}: the broker at "
                f"{self._options.broker.host}:{self._options.broker.port} answered "
                f"{str(reason)!r}; check MQTT_GATEWAY_USER and MQTT_GATEWAY_PASSWORD"
            )
        elif not reason.is_failure:
            maximum = getattr(properties, "ReceiveMaximum", 65_535)
            self._room = min(self._window, int(maximum))
            self._attempts = 0
            self.is_ready = True
            if self._status_topic:
                client.publish(self._status_topic, ONLINE)

    def _on_disconnect(
        self,
        client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if client is self._client:
            self._lose(str(reason))

    def _on_publish(
        self,
        client: Client,
        _userdata: object,
        packet_id: int,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if client is self._client and (message := self._unacked.pop(packet_id, None)):
            self._receipts.add_answer(message, reason)
