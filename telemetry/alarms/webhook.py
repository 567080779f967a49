"""Post to a webhook: signed, to public addresses only, and to nowhere else.

The name is resolved once; every address that it has must be allowed, and the connection goes to one
of these, so that a name that changes in between leads nowhere. Redirects are not followed.
"""

import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

TIMEOUT_S = 10.0
LONGEST_S = 20.0
"""For the whole exchange, however slowly the other side answers."""
SIGNATURE_HEADER = "X-Telemetry-Signature"
TIMESTAMP_HEADER = "X-Telemetry-Timestamp"
DELIVERY_HEADER = "X-Telemetry-Delivery"
INTERNET = IPv6Network("2000::/3")
"""All of IPv6 that is given out for the Internet. Beyond it Python calls addresses global that lead
into networks of one's own (fec0::/10), or to an IPv4 address (::/96, 64:ff9b::/96)."""
TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))
"""Addresses of the Internet that lead to an IPv4 address that they contain."""


class WebhookError(Exception):
    """It was not delivered; the text says why."""


def sign(body: bytes, *, secret: str, timestamp: int) -> str:
    """The signature header's value: HMAC-SHA256 of `TIMESTAMP.BODY`, in hex."""
    text = f"{timestamp}.".encode() + body
    return "sha256=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def post(
    url: str,
    body: bytes,
    *,
    secret: str,
    delivery_id: int,
    timestamp: int,
    networks: Iterable[Network] = (),
) -> int:
    """Post once; the status, which is 200 to 299. Raises `WebhookError`."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise WebhookError(f"the address has no valid port: {error}") from error
    address = resolve(host, port, is_encrypted=parts.scheme == "https", networks=list(networks))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "TDS-Telemetry-Webhook/1",
        DELIVERY_HEADER: str(delivery_id),
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: sign(body, secret=secret, timestamp=timestamp),
    }
    try:
        status = _exchange(parts, (str(address), port), body, headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise WebhookError(f"{host}: {type(error).__name__}: {error}") from error
    if not 200 <= status < 300:
        followed = "; redirects are not followed" if 300 <= status < 400 else ""
        raise WebhookError(f"{host} answered {status}{followed}")
    return status


def resolve(host: str, port: int, *, is_encrypted: bool, networks: list[Network]) -> Address:
    """The address to connect to. Raises `WebhookError` unless all that the name has are allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WebhookError(f"{host!r} cannot be resolved: {error}") from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        is_listed = any(address in network for network in networks)
        if not (is_listed or is_public(address)):
            raise WebhookError(f"{host} is {address}, which is not a public address")
        if not (is_listed or is_encrypted):
            raise WebhookError(f"{host}: expected https://")
    return addresses[0]


def is_public(address: Address) -> bool:
    """Whether it is an address of the Internet, not of a network behind this process."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in INTERNET or any(address in tunnel for tunnel in TUNNELS):
            return False
    return address.is_global and not address.is_multicast


def _exchange(
    parts: SplitResult, address: tuple[str, int], body: bytes, headers: dict[str, str]
) -> int:
    host = parts.hostname or ""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(host, address[1], timeout=TIMEOUT_S)
    client = socket.create_connection(address, timeout=TIMEOUT_S)
    if parts.scheme == "https":  # it takes the place of the plain one, also to be ended
        context = ssl.create_default_context()
        client = context.wrap_socket(client, server_hostname=host, do_handshake_on_connect=False)
    limit = threading.Timer(LONGEST_S, _end, [client])
    limit.daemon = True
    limit.start()
    try:
        if isinstance(client, ssl.SSLSocket):
            client.do_handshake()
        connection.sock = client
        connection.request("POST", target, body, headers)
        return connection.getresponse().status
    finally:
        limit.cancel()
        connection.close()
        client.close()


def _end(client: socket.socket) -> None:
    """Let whoever waits for it wait no longer. (The shutdown of TLS is not for another thread.)"""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(client, socket.SHUT_RDWR)
