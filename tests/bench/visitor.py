"""A signed-in browser, as far as the server can tell. It takes a new connection for each request:
those that wait between two of them are closed by the server anyway."""

import time
from http.client import HTTPConnection, HTTPException
from types import MappingProxyType

from msgspec import Struct

from compose.local.ports import HOST

TIMEOUT_S = 30.0
HEADERS = MappingProxyType({"Accept-Encoding": "gzip", "Accept-Language": "en"})


class Answer(Struct, frozen=True):
    """What came of a request. Status 0: nothing did, and `text` says why; else it is the body,
    compressed perhaps."""

    ms: float
    status: int
    tag: str | None
    text: bytes

    @property
    def is_good(self) -> bool:
        """Whether it brought what was asked for, or said that nothing changed."""
        return self.status in (200, 304)


class Visitor:
    """Asks a web process on this machine, in the name of a member."""

    def __init__(self, port: int, *, session: str) -> None:
        self._port = port
        self._headers = {**HEADERS, "Cookie": f"sessionid={session}"}

    def get(self, path: str, *, tag: str | None = None) -> Answer:
        """The answer, whatever it is, when its last byte is here. `tag`: of the answer known."""
        headers = self._headers if tag is None else {**self._headers, "If-None-Match": tag}
        connection = HTTPConnection(HOST, self._port, timeout=TIMEOUT_S)
        started_s = time.perf_counter()
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            text = response.read()
            ms = (time.perf_counter() - started_s) * 1000
            return Answer(ms, response.status, response.headers.get("ETag"), text)
        except (OSError, HTTPException) as error:
            ms = (time.perf_counter() - started_s) * 1000
            return Answer(ms, 0, None, repr(error).encode())
        finally:
            connection.close()
