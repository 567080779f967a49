"""An MQTT 5 client of one role, that tells what the broker answered."""

import secrets
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

WAIT_S = 10.0
ROLES = ("admin", "bridge", "dashboard", "gateway")


class RoleClient:
    """A client of one role on the demo's broker. A bridge gets an id that bridges may use."""

    def __init__(self, environ: Mapping[str, str], role: str, *, client_id: str = "") -> None:
        self.topics: list[str] = []
        self.payloads: list[bytes] = []
        self.is_present = False
        if role == "bridge" and not client_id:
            client_id = f"bridge-test-{secrets.token_hex(4)}"
        self._changed = threading.Condition()
        self._answer: str | None = None
        self._granted: list[str] = []
        self._published: dict[int, str] = {}
        self._environ = environ
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5
        )
        self._client.username_pw_set(
            environ[f"MQTT_{role.upper()}_USER"], environ[f"MQTT_{role.upper()}_PASSWORD"]
        )
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish

    def connect(self, *, expiry_s: int = 0, clean_start: bool | None = None) -> str:
        """The broker's answer: `Success`, `Client identifier not valid`, ..."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = expiry_s
        self._client.connect(
            self._environ["MQTT_HOST"],
            int(self._environ["MQTT_PORT"]),
            clean_start=not expiry_s if clean_start is None else clean_start,
            properties=properties,
        )
        self._client.loop_start()
        self._wait(lambda: self._answer is not None, "no answer to CONNECT")
        if self._answer != "Success":
            self.close()
        return str(self._answer)

    def subscribe(self, topic: str) -> str:
        """The broker's answer: `Granted QoS 1`, `Not authorized`, ..."""
        self._granted = []
        self._client.subscribe(topic, qos=1)
        self._wait(lambda: bool(self._granted), f"no answer to the subscription to {topic}")
        return self._granted[0]

    def publish(
        self, topic: str, payload: bytes = b"x", *, expiry_s: int = 0, retain: bool = False
    ) -> str:
        """The broker's answer: `Success`, `Not authorized`, ..."""
        properties = Properties(PacketTypes.PUBLISH)
        if expiry_s:
            properties.MessageExpiryInterval = expiry_s
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        self._wait(lambda: info.mid in self._published, f"no answer to PUBLISH to {topic}")
        return self._published[info.mid]

    def wait_for(self, count: int) -> None:
        """Return when so many messages have arrived."""
        self._wait(lambda: len(self.topics) >= count, f"fewer than {count} messages arrived")

    def wait_for_topic(self, topic: str) -> bytes:
        """The payload of the newest message on a topic, as soon as there is one."""
        self._wait(lambda: topic in self.topics, f"nothing on {topic}")
        with self._changed:
            return dict(zip(self.topics, self.payloads, strict=True))[topic]

    def close(self) -> None:
        """Disconnect; the session stays as long as it was asked for."""
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, condition: Callable[[], bool], otherwise: str) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S), f"{otherwise}: {self.topics}"

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, _props: Any) -> None:
        with self._changed:
            self._answer, self.is_present = str(reason), flags.session_present
            self._changed.notify_all()

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, reasons: Any, _props: Any) -> None:
        with self._changed:
            self._granted = [str(reason) for reason in reasons]
            self._changed.notify_all()

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.topics.append(message.topic)
            self.payloads.append(message.payload)
            self._changed.notify_all()

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: Any, _props: Any) -> None:
        with self._changed:
            self._published[mid] = str(reason)
            self._changed.notify_all()


def try_to_connect(environ: Mapping[str, str], *, client_id: str) -> bytes:
    """The answer to a gateway's CONNECT with this client id, as fast as it goes."""

    def text(value: str) -> bytes:
        return struct.pack("!H", len(value)) + value.encode()

    user, password = environ["MQTT_GATEWAY_USER"], environ["MQTT_GATEWAY_PASSWORD"]
    body = text("MQTT") + bytes.fromhex("05 c2 003c 00") + text(client_id) + text(user)
    body += text(password)
    address = (environ["MQTT_HOST"], int(environ["MQTT_PORT"]))
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(bytes([0x10, len(body)]) + body)
        return connection.recv(100)
