"""The proxy passes on, cuts, stalls and serves again."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Proxies

HOST = "127.0.0.1"


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that answers with what it gets."""
    server = socket.create_server((HOST, 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1000):
                connection.sendall(data)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


@pytest.fixture
def proxies(echo: int) -> Iterator[Proxies]:
    made = Proxies()
    made.start()
    yield made
    made.stop()


def connect(port: int) -> socket.socket:
    connection = socket.create_connection((HOST, port), 5)
    connection.settimeout(5)
    return connection


def ask(connection: socket.socket, data: bytes = b"hello") -> bytes:
    connection.sendall(data)
    return connection.recv(1000)


def is_lost(connection: socket.socket) -> bool:
    """Whether the other end closed or reset it."""
    try:
        return ask(connection) == b""
    except ConnectionError:
        return True


def test_it_passes_bytes_on_both_ways(proxies: Proxies, echo: int) -> None:
    with connect(proxies.add("link", echo)) as connection:
        assert ask(connection) == b"hello"
        assert ask(connection, b"again") == b"again"


def test_it_cuts_connections_and_refuses_new_ones_until_it_is_restored(
    proxies: Proxies, echo: int
) -> None:
    port = proxies.add("link", echo)
    with connect(port) as connection:
        ask(connection)
        proxies.cut("link")
        assert is_lost(connection)
    with connect(port) as refused:
        assert is_lost(refused)
    proxies.restore("link")
    with connect(port) as restored:
        assert ask(restored) == b"hello"


def test_it_stalls_without_closing_and_loses_nothing(proxies: Proxies, echo: int) -> None:
    with connect(proxies.add("link", echo)) as connection:
        ask(connection)
        proxies.stall("link")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            ask(connection, b"late")
        connection.settimeout(5)
        proxies.restore("link")
        assert connection.recv(1000) == b"late"


def test_it_refuses_when_nobody_listens_behind_it(proxies: Proxies) -> None:
    with socket.create_server((HOST, 0)) as gone:
        port = gone.getsockname()[1]
    with connect(proxies.add("link", port)) as connection:
        assert is_lost(connection)
