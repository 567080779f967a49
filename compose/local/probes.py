"""Ask a server over its own protocol whether it serves; each probe raises `OSError` if not."""

import http.client
import os
import re
import socket
import urllib.parse

import psycopg

TIMEOUT_S = 3.0


class ProbeError(OSError):
    """The server answered, but not as one that serves. Never holds a secret."""


def probe_postgres(url: str) -> None:
    """Log in and run a statement; TimescaleDB must be there to be used."""
    try:
        with psycopg.connect(url, connect_timeout=int(TIMEOUT_S), autocommit=True) as connection:
            row = connection.execute(
                "select count(*) from pg_available_extensions where name = 'timescaledb'"
            ).fetchone()
    except psycopg.Error as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise ProbeError(words[0]) from error
    if row != (1,):
        raise ProbeError("the extension timescaledb is not installed on this PostgreSQL")


def probe_redis(url: str) -> None:
    """Log in and PING."""
    parts = urllib.parse.urlsplit(url)
    password = urllib.parse.unquote(parts.password or "")
    user = urllib.parse.unquote(parts.username or "")
    address = (parts.hostname or "127.0.0.1", parts.port or 6379)
    with socket.create_connection(address, TIMEOUT_S) as connection:
        reader = connection.makefile("rb")
        if password:
            words = ["AUTH", user, password] if user else ["AUTH", password]
            connection.sendall(encode_redis_command(words))
            read_redis_reply(reader.readline())
        connection.sendall(encode_redis_command(["PING"]))
        read_redis_reply(reader.readline())


def encode_redis_command(words: list[str]) -> bytes:
    """A command in the Redis protocol: an array of bulk strings."""
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def read_redis_reply(line: bytes) -> None:
    """Raise unless the reply is a simple string."""
    if not line.startswith(b"+"):
        raise ProbeError(line.decode("ascii", "replace").strip().lstrip("-") or "no reply")


def probe_mqtt(host: str, port: int, *, user: str, password: str) -> None:
    """Log in with MQTT 3.1.1 and a clean session, then leave."""
    fields = [f"probe-{os.getpid()}", user, password]
    payload = b"".join(len(f.encode()).to_bytes(2, "big") + f.encode() for f in fields)
    # name, level 4, flags user + password + clean session, keepalive 10 s
    body = b"\x00\x04MQTT\x04\xc2\x00\x0a" + payload
    with socket.create_connection((host, port), TIMEOUT_S) as connection:
        connection.sendall(b"\x10" + encode_mqtt_length(len(body)) + body)
        reply = connection.makefile("rb").read(4)
        if len(reply) < 4 or reply[0] != 0x20:
            raise ProbeError("the broker closed the connection without an answer")
        if reply[3] != 0:
            raise ProbeError(f"the broker refused user {user!r} (CONNACK code {reply[3]})")
        connection.sendall(b"\xe0\x00")


def encode_mqtt_length(length: int) -> bytes:
    """MQTT's variable byte integer (MQTT 3.1.1, 2.2.3)."""
    out = bytearray()
    while True:
        length, digit = divmod(length, 128)
        out.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(out)


def probe_http(url: str, path: str) -> None:
    """GET a page; any answer but 200 is a failure, told with the start of its text."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "127.0.0.1", parts.port or 80, timeout=TIMEOUT_S
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(300).decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise ProbeError(f"GET {path}: {type(error).__name__}") from error
    finally:
        connection.close()
    if response.status != 200:
        text = re.sub(r"\s+", " ", body).strip()
        raise ProbeError(f"GET {path} answered {response.status}: {text}")
