"""The health checks that containers run: progress, not the existence of a process."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from compose.health import find_beat, main
from compose.probe import UnhealthyError, probe_http


class Answer(BaseHTTPRequestHandler):
    """Answers /health with 200 and all else with 503."""

    def do_GET(self) -> None:
        body = b'{"problems": ["Redis does not answer"]}'
        self.send_response(200 if self.path == "/health" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def sign(*, host: str, at: float) -> bytes:
    return json.dumps({"host": host, "pid": 1, "at": at}).encode()


def test_it_is_healthy_when_the_server_answers_200(port: int) -> None:
    assert probe_http(f"127.0.0.1:{port}", "/health") == "GET /health: 200"


def test_it_shows_the_servers_reason_when_it_answers_otherwise(port: int) -> None:
    with pytest.raises(UnhealthyError, match=r"503: .*Redis does not answer"):
        probe_http(f"127.0.0.1:{port}", "/other")


def test_it_is_unhealthy_when_nothing_listens() -> None:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        free_port = server.server_port
    with pytest.raises(UnhealthyError, match=f"127.0.0.1:{free_port} does not answer"):
        probe_http(f"127.0.0.1:{free_port}", "/health")


@pytest.mark.parametrize("state", ["active", "waiting"])
def test_it_is_healthy_when_beat_ticks_or_waits_for_the_lock(state: str) -> None:
    signs = {"active": None, "waiting": None, state: sign(host="here", at=90)}
    assert find_beat(signs, host="here", now=100) == f"beat is {state}, 10 s ago"


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(None, id="no sign at all"),
        pytest.param(sign(host="here", at=69), id="a sign that is too old"),
        pytest.param(sign(host="elsewhere", at=99), id="the sign of another beat"),
    ],
)
def test_it_is_unhealthy_when_this_beat_gives_no_fresh_sign(seen: bytes | None) -> None:
    with pytest.raises(UnhealthyError, match="beat of here gave no sign of life"):
        find_beat({"active": seen, "waiting": None}, host="here", now=100)


def test_it_names_the_checks_when_called_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["everything"]) == 2
    assert (
        "'everything': expected one of web, enrolment, flower, metrics, worker, beat"
        in capsys.readouterr().err
    )
