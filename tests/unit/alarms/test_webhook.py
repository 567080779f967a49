"""Webhooks reach public addresses, and nothing behind this process."""

import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from telemetry.alarms import webhook
from telemetry.alarms.webhook import WebhookError, is_public, post, sign
from tests.servers.sinks import HttpSink, serve

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    server = HttpSink()
    with serve(server):
        yield server


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to; every lookup takes the next answer off."""
    answers: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: Any, **given: Any) -> Any:
        if host not in answers:
            return real(host, port, *rest, **given)
        found = answers[host].pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found.split()]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return answers


def send(url: str, **given: Any) -> int:
    fields = {"secret": "s", "delivery_id": 7, "timestamp": 1_000, **given}
    return post(url, b"{}", **fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("93.184.216.34", True), ("2606:4700::1111", True), ("127.0.0.1", False),
        ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False),
        ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("fe80::1", False),
        ("fd00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("2001::1", False),
        ("::127.0.0.1", False), ("::ffff:0:127.0.0.1", False), ("fec0::1", False),
        ("5f00::1", False),
    ],
)  # fmt: skip
def test_it_knows_public_addresses(text: str, expected: bool) -> None:
    assert is_public(ip_address(text)) == expected


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "https://127.0.0.1/x", "https://[::1]/x", "https://localhost/x",
            "https://2130706433/x", "https://0x7f.1/x"]
)  # fmt: skip
def test_it_refuses_addresses_of_this_host_however_they_are_written(url: str) -> None:
    with pytest.raises(WebhookError, match="not a public address"):
        send(url)


def test_it_refuses_a_name_that_also_has_a_private_address(names: Any) -> None:
    names["mixed.example"] = ["93.184.216.34 10.0.0.1"]
    with pytest.raises(WebhookError, match=r"10\.0\.0\.1, which is not a public address"):
        send("https://mixed.example/")


def test_it_refuses_a_public_address_without_tls(names: Any) -> None:
    names["public.example"] = ["93.184.216.34"]
    with pytest.raises(WebhookError, match="expected https://"):
        send("http://public.example/", networks=LOOPBACK)


def test_it_connects_to_the_address_that_it_checked(
    names: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["rebound.example"] = ["93.184.216.34", "127.0.0.1"]
    reached = []

    def connect(address: Any, **_: Any) -> Any:
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(WebhookError, match="ConnectionRefusedError"):
        send("https://rebound.example:8443/")
    assert reached == [("93.184.216.34", 8443)]
    assert names["rebound.example"] == ["127.0.0.1"], "it was resolved once"


def test_it_signs_and_names_the_host(sink: HttpSink, names: Any) -> None:
    port = sink.server_address[1]
    names["inside.example"] = ["127.0.0.1"]
    assert send(f"http://inside.example:{port}/a?b=c", networks=LOOPBACK) == 204
    [posted] = sink.received
    assert (posted.path, posted.body) == ("/a?b=c", b"{}")
    assert posted.headers["Host"] == f"inside.example:{port}"
    assert posted.headers["X-Telemetry-Signature"] == sign(b"{}", secret="s", timestamp=1_000)
    assert posted.headers["X-Telemetry-Delivery"] == "7"
    assert sign(b"{}", secret="s", timestamp=1_001) != sign(b"{}", secret="s", timestamp=1_000)


def test_it_does_not_follow_a_redirect(sink: HttpSink) -> None:
    sink.statuses.append(307)
    with pytest.raises(WebhookError, match="answered 307; redirects are not followed"):
        send(sink.url, networks=LOOPBACK)
    assert len(sink.received) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_it_ends_an_answer_that_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(webhook, "LONGEST_S", 0.3)
    monkeypatch.setattr(webhook, "TIMEOUT_S", 60.0)
    began_at = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(WebhookError):
        send(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/", networks=LOOPBACK)
    assert time.monotonic() - began_at < 30
