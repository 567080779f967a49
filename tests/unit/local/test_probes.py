"""What the probes say to a server, and make of its answer."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from compose.local.stack.health import probe_mqtt, probe_redis
from compose.probe import UnhealthyError, probe_http

Answer = Callable[..., int]


@pytest.fixture
def answer() -> Iterator[Answer]:
    """A server that reads once for each answer and then gives it."""
    servers: list[socket.socket] = []

    def serve(*answers: bytes) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                for reply in answers:
                    connection.recv(4096)
                    connection.sendall(reply)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        port: int = server.getsockname()[1]
        return port

    yield serve
    for server in servers:
        server.close()


def test_it_accepts_a_redis_when_login_and_ping_succeed(answer: Answer) -> None:
    port = answer(*[b"+OK\r\n"] * 3, b"+PONG\r\n")

    probe_redis(f"redis://:pw@127.0.0.1:{port}/0")


def test_it_tells_the_reason_when_a_redis_refuses_the_password(answer: Answer) -> None:
    port = answer(b"-WRONGPASS invalid username-password pair\r\n")

    with pytest.raises(UnhealthyError, match="invalid username-password pair"):
        probe_redis(f"redis://:pw@127.0.0.1:{port}/0")


def test_it_fails_when_a_redis_is_still_loading(answer: Answer) -> None:
    port = answer(b"-LOADING Redis is loading the dataset in memory\r\n")

    with pytest.raises(UnhealthyError, match="loading the dataset"):
        probe_redis(f"redis://127.0.0.1:{port}/0")


def test_it_accepts_a_broker_when_it_lets_the_user_in(answer: Answer) -> None:
    probe_mqtt("127.0.0.1", answer(b"\x20\x02\x00\x00"), user="admin", password="pw")


def test_it_names_the_user_and_no_password_when_a_broker_refuses(answer: Answer) -> None:
    port = answer(b"\x20\x02\x00\x05")

    with pytest.raises(UnhealthyError, match=r"refused user 'admin' \(Not authorized\)") as caught:
        probe_mqtt("127.0.0.1", port, user="admin", password="hidden-one")
    assert "hidden-one" not in str(caught.value)


def test_it_fails_when_a_broker_closes_without_an_answer(answer: Answer) -> None:
    with pytest.raises(UnhealthyError, match="closed"):
        probe_mqtt("127.0.0.1", answer(b""), user="admin", password="pw")


def test_it_does_not_wait_for_ever_when_a_broker_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compose.local.stack.health.TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(UnhealthyError, match=r"did not answer within 0\.5 s"):
            probe_mqtt("127.0.0.1", port, user="admin", password="pw")


def test_it_tells_status_and_text_when_a_page_is_unhealthy(answer: Answer) -> None:
    port = answer(b"HTTP/1.1 503 No\r\nContent-Length: 14\r\n\r\nredis: refused")

    with pytest.raises(UnhealthyError, match="GET /health answered 503: redis: refused"):
        probe_http(f"127.0.0.1:{port}", "/health")


def test_it_fails_when_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(OSError, match="refused"):
        probe_redis(f"redis://127.0.0.1:{port}/0")
