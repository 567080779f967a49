"""A mail server and an HTTP server of a test: they take what comes, and remember it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer, StreamRequestHandler, ThreadingTCPServer
from typing import Any, NamedTuple


class Posted(NamedTuple):
    """A request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes


class MailSink(ThreadingTCPServer):
    """Speaks as much SMTP as a client needs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SmtpSession)
        self.received: list[EmailMessage] = []

    @property
    def url(self) -> str:
        """As EMAIL_URL has it."""
        return f"smtp+plain://127.0.0.1:{self.server_address[1]}"


class _SmtpSession(StreamRequestHandler):
    server: MailSink

    def handle(self) -> None:
        self._answer("220 sink")
        while line := self.rfile.readline():
            command = line.strip().upper()
            if command == b"DATA":
                self._answer("354 go on")
                self.server.received.append(self._read_message())
            self._answer("221 bye" if command == b"QUIT" else "250 ok")
            if command == b"QUIT":
                return

    def _read_message(self) -> EmailMessage:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        message: Any = message_from_bytes(b"".join(lines), policy=policy.default)
        return message  # type: ignore[no-any-return]

    def _answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class HttpSink(ThreadingHTTPServer):
    """Answers each POST with the next of `statuses`, with 204 when there is none left."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _HttpSession)
        self.received: list[Posted] = []
        self.statuses: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?a=b"


class _HttpSession(BaseHTTPRequestHandler):
    server: HttpSink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(Posted(self.path, dict(self.headers), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/moved")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serve(server: BaseServer) -> Iterator[None]:
    """Let a server answer until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
