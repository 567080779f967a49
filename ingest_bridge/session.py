"""The MQTT side: a persistent session, read in the caller's thread, acknowledged by the caller.

No network thread: an exception in a callback would kill it while the client looks connected.
The caller selects on the socket and calls `read`, `write` and `keep_alive`.
"""

import select
import ssl
from collections.abc import Callable
from functools import partial

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from config.options import BridgeOptions
from ingest_bridge.bulk import BulkClient, supports_bulk
from ingest_bridge.errors import EXIT_TAKEN_OVER, BridgeError
from telemetry.core.batch import RawMessage
from telemetry.core.topic import former_subscription, subscription

NEVER_EXPIRES = 0xFFFFFFFF
DROPPED_TOPIC = "$SYS/broker/publish/messages/dropped"
DENIED_TOPIC = "$SYS/tds/"  # + kind/user: counters of compose/servers/check_rights.c
SESSION_TAKEN_OVER = 0x8E
CREDENTIALS_REFUSED = (0x86, 0x87)
CLIENT_ID_REFUSED = 0x85

log = structlog.get_logger("ingest_bridge")


class Session:
    """One client's session with the broker. Reconnecting is the caller's: `connect` again."""

    def __init__(
        self, options: BridgeOptions, *, on_message: Callable[[RawMessage, int], None]
    ) -> None:
        self._options = options
        self._deliver = on_message
        self._fault: BridgeError | None = None
        prefix, group = options.topic.prefix, options.share_group
        self.topic = subscription(prefix, share_group=group)
        self._former_topic = former_subscription(prefix, share_group=group)
        self.is_ready = False  # connected and subscribed (or unsubscribed, when retiring)
        self.is_retiring = False
        self.was_present = False
        self.broker_dropped: int | None = None  # since the broker started, as it says
        self.broker_denials: dict[str, int] = {}  # the same, by kind and user
        self.is_new = False  # connected since somebody looked
        self._client = self._make_client()

    def _make_client(self) -> Client:
        make = partial(BulkClient, deliver=self._on_publish) if self._is_bulk() else Client
        client = make(
            CallbackAPIVersion.VERSION2,
            client_id=self._options.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        client.username_pw_set(self._options.user, self._options.password)
        tls = self._options.broker.make_tls()
        if tls is not None:
            client.tls_set_context(tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_message = self._on_message
        # With this set, paho queues acknowledgements and `write` sends them.
        client.on_socket_register_write = lambda *_: None
        return client

    def _is_bulk(self) -> bool:
        if not self._options.bulk_read:
            return False
        if not supports_bulk():
            log.warning("bulk_read_off", reason="this paho-mqtt is not the one it was written for")
            return False
        return True

    def connect(self) -> None:
        """Open the connection and send CONNECT; `is_ready` tells when the session serves.

        Blocks up to 5 s. Raises `OSError`.
        """
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = NEVER_EXPIRES
        properties.ReceiveMaximum = self._options.receive_maximum
        self._client.connect(
            self._options.broker.host,
            self._options.broker.port,
            keepalive=self._options.broker.keepalive_s,
            clean_start=False,
            properties=properties,
        )

    @property
    def is_open(self) -> bool:
        """Whether there is a socket, connected or about to be."""
        return self._client.socket() is not None

    def wait(self, timeout_s: float) -> tuple[bool, bool]:
        """Wait for the socket; whether it can be read, and whether it can be written."""
        socket = self._client.socket()
        if socket is None:
            return False, False
        # What TLS has decrypted already, no select sees.
        is_decrypted = isinstance(socket, ssl.SSLSocket) and socket.pending() > 0
        writers = [socket] if self._client.want_write() else []
        longest_s = 0.0 if is_decrypted else max(0.0, timeout_s)
        readable, writable, _ = select.select([socket], writers, [], longest_s)
        return bool(readable) or is_decrypted, bool(writable)

    def read(self) -> None:
        """Read what has arrived, or one packet of it. Raises `BridgeError` for a final fault."""
        self._read_socket()
        self._raise_fault()

    def _read_socket(self) -> None:
        if isinstance(self._client, BulkClient):
            self._client.read_bulk()
        else:
            self._client.loop_read()

    def write(self) -> None:
        """Send what is queued, as far as the socket takes it."""
        self._client.loop_write()

    def keep_alive(self) -> None:
        """Ping the broker when it is time; close a connection that is silent."""
        self._client.loop_misc()
        self._raise_fault()

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Queue the PUBACKs, in order, and send them."""
        if isinstance(self._client, BulkClient):
            self._client.acknowledge(packet_ids)
        else:
            for packet_id in packet_ids:
                self._client.ack(packet_id, 1)
        self._client.loop_write()

    def close(self, *, for_good: bool) -> None:
        """Disconnect. The session goes on at the broker, unless it is closed for good."""
        properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
        if for_good:
            properties.SessionExpiryInterval = 0
        self._client.disconnect(properties=properties)
        self._client.loop_write()

    def retire(self) -> None:
        """Take nothing new: `is_ready` again when the broker has confirmed it."""
        self.is_retiring, self.is_ready = True, False
        self._client.unsubscribe([self.topic, self._former_topic])

    def abandon(self) -> None:
        """Drop the connection at once, without a word; the broker keeps what is unacknowledged."""
        socket = self._client.socket()
        if socket is not None:
            socket.close()
            self._read_socket()
        self.is_ready = False

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.value in CREDENTIALS_REFUSED:
            self._fault = BridgeError(
                f"MQTT_BRIDGE_USER={self._options.user!r}: the broker at "
                f"{self._options.broker.host}:{self._options.broker.port} answered "
                f"{str(reason)!r}; check MQTT_BRIDGE_USER and MQTT_BRIDGE_PASSWORD"
            )
            return
        if reason.value == CLIENT_ID_REFUSED:
            self._fault = BridgeError(
                f"BRIDGE_CLIENT_ID={self._options.client_id!r}: the broker does not let "
                f"MQTT_BRIDGE_USER={self._options.user!r} use it; with compose/servers/"
                "mosquitto-rights.conf it must begin with 'bridge-'"
            )
            return
        if reason.is_failure:
            log.warning("broker_refused", reason=str(reason))
            return
        self.was_present = flags.session_present
        if self.is_retiring:
            client.unsubscribe([self.topic, self._former_topic])
        else:
            telemetry, figures = SubscribeOptions(qos=1), SubscribeOptions(qos=0)
            topics = [(self.topic, telemetry)]
            topics += [(DROPPED_TOPIC, figures), (f"{DENIED_TOPIC}#", figures)]
            client.subscribe(topics)
            if self.was_present:
                # The session may be an older bridge's: each message would come twice. Only now, so
                # that at every instant somebody is subscribed.
                client.unsubscribe(self._former_topic)

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.is_ready = False
        if reason.value == SESSION_TAKEN_OVER:
            self._fault = BridgeError(
                f"BRIDGE_CLIENT_ID={self._options.client_id!r}: another client with this id has "
                "connected to the broker; give every bridge an id of its own",
                exit_code=EXIT_TAKEN_OVER,
            )

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        _packet_id: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        telemetry, *others = reasons
        if telemetry.is_failure:
            self._fault = BridgeError(
                f"MQTT_BRIDGE_USER={self._options.user!r}: the broker refused the subscription "
                f"{self.topic!r} ({telemetry}); check the broker's ACL"
            )
            return
        if any(reason.is_failure for reason in others):
            log.warning("broker_drops_unseen", topic=DROPPED_TOPIC, reason="the ACL refuses it")
        self.is_ready = self.is_new = True

    def _on_unsubscribe(self, *_: object) -> None:
        if self.is_retiring:
            self.is_ready = True

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # the broker checks topics, but a topic must never stop us
            topic = "(topic is not UTF-8)"
        self._on_publish(topic, bytes(message.payload), message.mid if message.qos else 0)

    def _on_publish(self, topic: str, payload: bytes, packet_id: int) -> None:
        if topic == DROPPED_TOPIC:  # nobody but the broker can publish there
            self.broker_dropped = int(payload)
            return
        if topic.startswith(DENIED_TOPIC):
            self.broker_denials[topic.removeprefix(DENIED_TOPIC)] = int(payload)
            return
        self._deliver(RawMessage(topic, payload), packet_id)
