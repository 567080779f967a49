"""gunicorn's worker with threads, for clients that are silent or slow.

gunicorn gives each new connection to a thread, which then waits: as many silent clients as there
are threads stop the site. Here a connection gets a thread when the head of its request is there.
What takes too long after that is ended, so a thread always comes back.
"""

import contextlib
import selectors
import socket
import ssl
import struct
import sys
import time
from functools import partial
from typing import Any

from gunicorn import http
from gunicorn.sock import ssl_context
from gunicorn.workers.gthread import TConn, ThreadWorker

from config.env import read_or_exit
from config.options import WebServerOptions

SWITCH_S = 0.0001
"""How long a thread goes on computing while another one waits, up to 5 ms by Python's default. A
request asks the database some ten times, and each answer may wait that long for the thread's turn.
"""
HEAD_BYTES = 65_536
"""A head that is longer gets a thread, and there gunicorn's answer."""
END_OF_HEAD = b"\r\n\r\n"


class Connection(TConn):  # type: ignore[misc]
    """A connection whose end waits for nobody: gunicorn's loop would stand still for two seconds
    when a client does not close its side."""

    head = b""  # what was read of it, with TLS

    def close(self, graceful: bool = False) -> None:  # noqa: FBT001, FBT002 - gunicorn's signature
        """Close. What the client sent meanwhile is read first: else it could lose the response."""
        with contextlib.suppress(OSError):
            if graceful:
                self.sock.shutdown(socket.SHUT_WR)
                self.sock.settimeout(0)
                self.sock.recv(HEAD_BYTES)
        with contextlib.suppress(OSError):
            self.sock.close()


class Worker(ThreadWorker):  # type: ignore[misc]
    """`gunicorn --worker-class config.web_worker.Worker`, plain HTTP only: a proxy ends TLS."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sys.setswitchinterval(SWITCH_S)
        self._options = read_or_exit(WebServerOptions)
        self._busy: dict[Any, float] = {}
        """Connections that have or await a thread, and since when."""

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection and wait for its request without a thread."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        # A thread reads and writes with these limits: a client that stalls fails the request.
        limit = struct.pack("@ll", self._options.stall_s, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        client = self._prepare(client)
        conn = Connection(self.cfg, client, address, listener.getsockname())
        conn.timeout = time.monotonic() + self._options.head_s
        self.nr_conns += 1
        self.pending_conns.append(conn)
        self.poller.register(
            client, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn)
        )

    def _prepare(self, client: socket.socket) -> socket.socket:
        """The socket to read requests from."""
        return client

    def on_pending_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """Give a new connection to a thread when its head is there."""
        if self._has_head(conn):
            super().on_pending_socket_readable(conn, client)

    def _has_head(self, conn: Any) -> bool:
        return has_head(conn.sock)

    def on_client_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """The same for the next request of a connection."""
        if has_head(client):
            super().on_client_socket_readable(conn, client)

    def enqueue_req(self, conn: Any) -> None:
        """Note since when a thread is needed."""
        self._busy[conn] = time.monotonic()
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Note that the thread is free."""
        self._busy.pop(conn, None)
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Called each second: end what waited too long, or takes too long."""
        super().murder_pending()
        before = time.monotonic() - self._options.longest_s
        for conn in [conn for conn, since in self._busy.items() if since < before]:
            del self._busy[conn]
            with contextlib.suppress(OSError):
                # Its thread finds the connection closed. TLS is the thread's: not its shutdown.
                socket.socket.shutdown(conn.sock, socket.SHUT_RDWR)

    def _cap_keepalive(self, deadline: float) -> None:
        """A worker that stops waits no longer for new connections than for old ones."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)


class TlsWorker(Worker):
    """`gunicorn --worker-class config.web_worker.TlsWorker --keep-alive 0`: TLS, and one request a
    connection. The handshake takes no thread either."""

    def init_process(self) -> None:
        """Read the certificates."""
        self._tls = ssl_context(self.cfg)
        super().init_process()

    def _prepare(self, client: socket.socket) -> socket.socket:
        tls: ssl.SSLContext = self._tls
        return tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)

    def on_pending_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """The same; a connection whose handshake fails is closed."""
        try:
            super().on_pending_socket_readable(conn, client)
        except OSError:
            self.poller.unregister(client)
            self.pending_conns.remove(conn)
            self.nr_conns -= 1
            conn.close()

    def _has_head(self, conn: Any) -> bool:
        """Go on with the handshake, then read as far as the end of the head. With TLS nothing can
        be peeked at: what was read goes to the parser."""
        client: ssl.SSLSocket = conn.sock
        try:
            if client.version() is None:
                client.do_handshake()
            is_whole = False
            while not is_whole:
                piece = client.recv(HEAD_BYTES)
                conn.head += piece
                is_whole = not piece or END_OF_HEAD in conn.head or len(conn.head) >= HEAD_BYTES
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        conn.parser = http.get_parser(self.cfg, client, conn.client)
        conn.parser.unreader.unread(conn.head)
        conn.initialized = True
        return True


def has_head(client: socket.socket) -> bool:
    """Whether the head of a request is there, or the end of the connection. If not, the kernel
    reports the socket again only when there is more."""
    try:
        data = client.recv(HEAD_BYTES, socket.MSG_PEEK)
    except OSError:
        return True  # the thread finds it, too
    is_whole = not data or END_OF_HEAD in data or len(data) == HEAD_BYTES
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 if is_whole else len(data) + 1)
    return is_whole
