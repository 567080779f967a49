"""Ask a web server whether it serves."""

import re
from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 5.0


class UnhealthyError(OSError):
    """What was asked does not serve, or does not get on. The text says what was seen."""


def probe_http(address: str, path: str) -> str:
    """GET a page of HOST:PORT. Raises `UnhealthyError` for any answer but 200, with its text."""
    connection = HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = re.sub(r"\s+", " ", response.read(500).decode("utf-8", "replace")).strip()
    except (OSError, HTTPException) as error:
        raise UnhealthyError(f"{address} does not answer: {error!r}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise UnhealthyError(f"GET {path} answered {response.status}: {text}")
    return f"GET {path}: 200"
