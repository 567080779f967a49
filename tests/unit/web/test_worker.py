"""The web process: clients that are silent or slow take no thread from the others."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from telemetry.certificates.x509 import make_key, sign_client
from tests.certificates import make_other_authority
from tests.forks import ROOT
from tests.servers.free_ports import find_free_ports

APP = """
import sys, time
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/endless":
        return (b"x" * 65536 for _ in range(100_000))
    if environ["PATH_INFO"] == "/body":
        return [str(len(environ["wsgi.input"].read())).encode()]
    if environ["PATH_INFO"] == "/turns":
        return [str(round(sys.getswitchinterval(), 6)).encode()]
    return [b"served"]
"""
THREADS = 2
CLIENTS = 40
"""Such as hold a thread for `WEB_HEAD_S` each would hold both for 20 s."""
PATIENCE_S = 8.0


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A web process with two threads, as `compose/start/web` starts it."""
    with serve(tmp_path, "--worker-class", "config.web_worker.Worker") as port:
        wait_until_served(port, ask)
        yield port


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[int]:
    """The enrolment process, likewise. It asks every client for a certificate."""
    signer, key = make_other_authority(), make_key()
    (tmp_path / "ca").write_bytes(signer[0].public_bytes(Encoding.PEM))
    signed = sign_client("one", key.public_key(), signer, days=2, now=datetime.now(UTC))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "pair").write_bytes(signed.public_bytes(Encoding.PEM) + private)
    pair = str(tmp_path / "pair")
    options = ["--certfile", pair, "--keyfile", pair, "--ca-certs", str(tmp_path / "ca")]
    options += ["--cert-reqs", "2", "--keep-alive", "0"]
    options += ["--worker-class", "config.web_worker.TlsWorker"]
    with serve(tmp_path, *options) as port:
        wait_until_served(port, partial(ask_by_tls, pair=pair))
        yield port


@contextmanager
def serve(folder: Path, *options: str) -> Iterator[int]:
    (folder / "app.py").write_text(APP, encoding="utf-8")
    [port] = find_free_ports(1)
    arguments = ["--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", str(THREADS)]
    arguments += [*options, "--log-level", "critical"]
    environ = {
        "PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{folder}",
        "WEB_HEAD_S": "1", "WEB_STALL_S": "1", "WEB_LONGEST_S": "3",
    }  # fmt: skip
    argv = [sys.executable, "-m", "gunicorn", "app:application", *arguments]
    with subprocess.Popen(argv, env=environ, cwd=folder) as process:
        try:
            yield port
        finally:
            process.terminate()
            try:
                process.wait(15)
            finally:
                process.kill()


def wait_until_served(port: int, ask: Callable[[int], bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            ask(port)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def read_all(client: socket.socket) -> bytes:
    """Everything until the other side closes."""
    pieces = []
    with suppress(ConnectionResetError):  # it had not read everything
        while piece := client.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def ask(port: int, path: str = "/") -> bytes:
    with connect(port) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return read_all(client)


def wrap(client: socket.socket, *, pair: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(pair)
    return context.wrap_socket(client)


def ask_by_tls(port: int, *, pair: str) -> bytes:
    with connect(port) as plain, wrap(plain, pair=pair) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return read_all(client)


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "],
    ids=["nothing", "one byte", "half a head"],
)
def test_it_serves_while_many_clients_send_no_whole_request(port: int, sent: bytes) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(CLIENTS)]
        for client in clients:
            client.sendall(sent)
        time.sleep(0.2)
        began = time.monotonic()
        for _ in range(5):
            assert ask(port).count(b"served")
        assert time.monotonic() - began < PATIENCE_S
        time.sleep(2.2)
        assert all(read_all(client) == b"" for client in clients), "they are closed in the end"


def test_it_serves_while_clients_send_one_byte_after_the_other(port: int) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(CLIENTS)]
        for byte in b"GET / HT":
            for client in clients:
                client.sendall(bytes([byte]))
            assert ask(port).count(b"served")
        for client in clients:
            client.sendall(b"TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert all(read_all(client).count(b"served") for client in clients)


def test_it_serves_the_next_request_of_a_connection(port: int) -> None:
    with connect(port) as client:
        for _ in range(3):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            time.sleep(0.05)
            client.sendall(b"\r\n")
            answer = b""
            while b"served" not in answer:
                answer += client.recv(65536)


def test_it_gives_up_on_bodies_that_do_not_come(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(THREADS):
            client = stack.enter_context(connect(port))
            client.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1234")
        time.sleep(1.5)
        assert ask(port).count(b"served")


def test_it_gives_up_on_readers_that_stop(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(THREADS):
            client = stack.enter_context(connect(port))
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2.5)
        assert ask(port).count(b"served")


def test_it_ends_what_takes_longest(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        began = time.monotonic()
        with suppress(ConnectionResetError):
            while client.recv(4096):
                time.sleep(0.001)
        assert time.monotonic() - began < 20
    assert ask(port).count(b"served")


def test_its_threads_take_turns_often(port: int) -> None:
    assert b"\n0.0001\r\n" in ask(port, "/turns")


def test_it_waits_for_no_client_to_close(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(connect(port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        began = time.monotonic()
        assert ask(port).count(b"served")
        assert time.monotonic() - began < PATIENCE_S


def test_it_serves_by_tls_while_clients_do_not_finish_handshake_or_head(
    tls_port: int, tmp_path: Path
) -> None:
    pair = str(tmp_path / "pair")
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(tls_port)) for _ in range(CLIENTS)]
        for client in silent[::2]:
            client.sendall(b"\x16\x03\x01\x02")  # the first bytes of a handshake
        half = [
            stack.enter_context(wrap(stack.enter_context(connect(tls_port)), pair=pair))
            for _ in range(THREADS + 1)
        ]
        for client in half:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        for _ in range(3):
            assert ask_by_tls(tls_port, pair=pair).count(b"served")
        with connect(tls_port) as plain, wrap(plain, pair=pair) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            slow.sendall(b"now\r\n\r\n")
            assert read_all(slow).count(b"served")
        time.sleep(2.2)
        assert all(read_all(client) == b"" for client in [*silent, *half]), "they are closed"
    with connect(tls_port) as client:  # no certificate, and no TLS
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        read_all(client)
    assert ask_by_tls(tls_port, pair=pair).count(b"served")
