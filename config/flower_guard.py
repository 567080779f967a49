"""Flower behind one login: `python -m config.flower_guard`, in place of `celery flower`.

Flower itself answers /metrics and static files to anybody, shows a traceback for a login that is
not ASCII, lets passwords be guessed without end, and any site show it in a frame.
"""

import hmac
import sys
import time
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import flower.command
import structlog
from celery.bin.celery import main
from flower.app import Flower
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform, RequestHandler

OPEN = "/healthcheck"
"""Says "OK" and nothing else, for health checks."""
MOST_FAILURES = 10
LOCK_S = 900.0
MOST_ADDRESSES = 10_000
SHORTEST = 16
HEADERS = {
    "Content-Security-Policy": (
        "frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
"""Of every answer. What its pages may load is left alone: they have scripts in them."""

log = structlog.get_logger("flower")


class Lock:
    """Failures by address, in the memory of the one process that Flower is."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, float]] = {}  # how many, when the last one was

    def is_locked(self, address: str) -> bool:
        """Whether nobody signs in from there for now."""
        count, at = self._failures.get(address, (0, 0.0))
        return count >= MOST_FAILURES and time.monotonic() - at < LOCK_S

    def note(self, address: str) -> None:
        """Count a failure."""
        now = time.monotonic()
        if len(self._failures) >= MOST_ADDRESSES:
            self._failures = {
                key: (count, at) for key, (count, at) in self._failures.items() if now - at < LOCK_S
            }
        count, at = self._failures.get(address, (0, now))
        self._failures[address] = (count + 1 if now - at < LOCK_S else 1, now)
        log.warning("sign_in_failed", address=address, failures=self._failures[address][0])

    def clear(self, address: str) -> None:
        """Forget the failures of an address that signed in."""
        self._failures.pop(address, None)


class Denied(RequestHandler):
    """The answer without the login."""

    def initialize(self, status: int) -> None:
        self._denied_with = status

    def check_xsrf_cookie(self) -> None:
        """Nothing is done here."""

    def prepare(self) -> None:
        self.set_status(self._denied_with)
        if self._denied_with == 401:
            self.set_header("WWW-Authenticate", 'Basic realm="Flower"')
            self.finish("Sign in.")
        else:
            self.set_header("Retry-After", str(int(LOCK_S)))
            self.finish("Too many attempts failed. Try again later.")


class Framed(OutputTransform):
    """Puts `HEADERS` before an answer, files and errors included."""

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: FBT001 - tornado's signature
    ) -> tuple[int, HTTPHeaders, bytes]:
        """The start of the answer, with them."""
        headers.update(HEADERS)
        return status_code, headers, chunk


class GuardedFlower(Flower):  # type: ignore[misc]
    """Flower that looks at the login before it looks for a page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock = Lock()
        self.add_transform(Framed)
        if not are_strong(self.options.basic_auth or ()):
            sys.exit(
                "error: FLOWER_BASIC_AUTH=(hidden): expected USER:PASSWORD of the operators, with "
                f"{SHORTEST} characters or more in the password"
            )

    def get_handler_delegate(self, request: HTTPServerRequest, *args: Any, **kwargs: Any) -> Any:
        """The page, or the answer without the login."""
        status = self._check(request)
        if status:
            return super().get_handler_delegate(request, Denied, {"status": status})
        return super().get_handler_delegate(request, *args, **kwargs)

    def _check(self, request: HTTPServerRequest) -> int:
        """The status that a request is denied with; 0: it is not."""
        if request.path == OPEN and request.method in ("GET", "HEAD"):
            return 0
        address = request.remote_ip or ""
        if self._lock.is_locked(address):
            return 429
        header = request.headers.get("Authorization")
        if header is None:  # a browser asks before it knows
            return 401
        if is_login(header, self.options.basic_auth):
            self._lock.clear(address)
            return 0
        self._lock.note(address)
        return 401


def are_strong(logins: Sequence[str]) -> bool:
    """Whether there are logins, each with a user and a password that nobody guesses."""
    pairs = [login.partition(":")[::2] for login in logins]
    return bool(pairs) and all(user and len(password) >= SHORTEST for user, password in pairs)


def is_login(header: str, logins: Sequence[str]) -> bool:
    """Whether the header names one of the logins, USER:PASSWORD."""
    scheme, _, encoded = header.partition(" ")
    try:
        given = b64decode(encoded.encode(), validate=True)
    except ValueError:
        return False
    found = [hmac.compare_digest(given, login.encode()) for login in logins]
    return scheme.lower() == "basic" and any(found)


if __name__ == "__main__":
    flower.command.Flower = GuardedFlower
    sys.argv = ["celery", "-A", "config", "flower", *sys.argv[1:]]
    main()
