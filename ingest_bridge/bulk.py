"""A paho client that takes many PUBLISH packets out of one read, and sends many PUBACKs at once.

Stock paho reads a packet's first byte, its length and its body with a system call each. Here one
read fills a buffer; whole PUBLISH packets of QoS 0 and 1 are taken out of it, and everything else
goes through paho's own code, which reads from the same buffer. Layout of the packets: MQTT 5.0,
sections 2.1 and 3.3. paho's private methods that this builds on are checked by `supports_bulk`.
"""

import inspect
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

PUBLISH = 0x30
PUBLISH_QOS_1 = 0x32
PUBACK = 0x40
READ_BYTES = 131_072

Deliver = Callable[[str, bytes, int], None]


def supports_bulk() -> bool:
    """Whether this paho has the private parts that are built on, in the form that is known."""
    wanted = {
        "_sock_recv": ["self", "bufsize"],
        "_packet_read": ["self"],
        "_packet_queue": ["self", "command", "packet", "mid", "qos", "info"],
        "_loop_rc_handle": ["self", "rc"],
    }
    return all(
        hasattr(Client, name) and list(inspect.signature(getattr(Client, name)).parameters) == names
        for name, names in wanted.items()
    )


class BulkClient(Client):
    """Reads with `read_bulk`. `deliver` gets topic, payload and packet id (0 for QoS 0)."""

    def __init__(self, *arguments: Any, deliver: Deliver, **named: Any) -> None:
        self._deliver = deliver
        self._buffer = b""
        self._at = 0
        super().__init__(*arguments, **named)

    def connect(self, *arguments: Any, **named: Any) -> MQTTErrorCode:
        """As paho's; half a packet of the connection before is forgotten."""
        self._buffer, self._at = b"", 0
        return super().connect(*arguments, **named)

    def read_bulk(self) -> MQTTErrorCode:
        """Read once and take every whole packet. Use in place of `loop_read`."""
        if self._sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        try:
            chunk = self._sock.recv(READ_BYTES)
            if isinstance(self._sock, ssl.SSLSocket):
                # A read gives one record of TLS. What else is decrypted already, no select sees.
                while pending := self._sock.pending():
                    chunk += self._sock.recv(pending)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            chunk = b""
        if not chunk:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        rest = self._buffer[self._at :]
        self._buffer, self._at = rest + chunk if rest else chunk, 0
        return self._parse_packets()

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Queue one PUBACK for each packet id, in order, to be sent in one piece."""
        packets = b"".join([struct.pack("!BBH", PUBACK, 2, number) for number in packet_ids])
        if packets:
            self._packet_queue(PUBACK, packets, 0, 0, None)

    def _parse_packets(self) -> MQTTErrorCode:
        while self._sock is not None:
            self._parse_common()
            size = self._measure_packet()
            if size == 0:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            if size > 0 and self._buffer[self._at] & 0xF4 == PUBLISH:  # QoS 0 or 1
                rc = self._parse_publish(self._at + size)
            else:
                rc = self._packet_read()
            if rc > 0:
                return self._loop_rc_handle(rc)
        return MQTTErrorCode.MQTT_ERR_NO_CONN

    def _parse_common(self) -> None:
        """Take the packets that nearly all are, as long as they come: PUBLISH with QoS 1, a length
        of two bytes, a topic and no properties. What is different in any way is left."""
        data, at, deliver = self._buffer, self._at, self._deliver
        size = len(data)
        while at + 5 <= size and data[at] == PUBLISH_QOS_1 and data[at + 1] >= 0x80 > data[at + 2]:
            end = at + 3 + (data[at + 1] & 0x7F | data[at + 2] << 7)
            topic_end = at + 5 + (data[at + 3] << 8 | data[at + 4])
            if end > size or topic_end + 2 >= end or data[topic_end + 2]:
                return
            self._at = end
            deliver(
                str(data[at + 5 : topic_end], "utf-8", "replace"),
                data[topic_end + 3 : end],
                data[topic_end] << 8 | data[topic_end + 1],
            )
            at = end

    def _measure_packet(self) -> int:
        """Bytes of the next packet with its header; 0 when it is not whole yet; -1 when its length
        breaks the rule, which is left to paho: it ends the connection."""
        data, at = self._buffer, self._at
        length, shift = 0, 0
        for position in range(at + 1, min(at + 5, len(data))):
            byte = data[position]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                size = position + 1 + length - at
                return size if at + size <= len(data) else 0
        return -1 if len(data) - at >= 5 else 0

    def _parse_publish(self, end: int) -> MQTTErrorCode:
        data = self._buffer
        first, at = data[self._at], self._at + 2
        while data[at - 1] >= 0x80:
            at += 1
        self._at = end
        topic_end = at + 2 + (data[at] << 8 | data[at + 1]) if at + 2 <= end else end + 1
        body = topic_end + (2 if first & 0x06 else 0)
        if body >= end:  # no room for the length of the properties
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        packet_id = data[topic_end] << 8 | data[topic_end + 1] if first & 0x06 else 0
        body = self._skip_properties(body, end)
        if not body:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        # The broker checks topics, but a topic must never stop us.
        topic = data[at + 2 : topic_end].decode(errors="replace")
        self._deliver(topic, data[body:end], packet_id)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _skip_properties(self, at: int, end: int) -> int:
        """Where the payload begins; 0 when the properties do not fit in the packet."""
        if not self._buffer[at]:
            return at + 1
        length, shift = 0, 0
        for position in range(at, min(at + 4, end)):
            byte = self._buffer[position]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                after = position + 1 + length
                return after if after <= end else 0
        return 0

    def _sock_recv(self, bufsize: int) -> bytes:
        """What paho's own reading gets: the buffer, and nothing when that is at its end."""
        if self._at >= len(self._buffer):
            raise BlockingIOError
        data = self._buffer[self._at : self._at + bufsize]
        self._at += len(data)
        return data
