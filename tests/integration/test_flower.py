"""Flower: nothing without the login but "OK", a lock after failures, and no actions by default."""

import json
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from config.celery import app
from config.flower_guard import are_strong
from telemetry.core.batch import (
    APPLY_RETENTION_TASK,
    REQUEUE_TASK,
    SEND_MAIL_TASK,
    STORE_BATCHES_TASK,
    VERIFY_TASK,
)
from telemetry.mail.outbox import queue_mail
from telemetry.queue.batches import BatchQueue
from tests.forks import ROOT
from tests.servers.free_ports import find_free_ports
from workers.schedule import SCHEDULE

pytestmark = pytest.mark.integration

USER, PASSWORD = "operator", "5a1fd09c3b7e4286"
ACTIONS = (
    "/api/worker/shutdown/x", "/api/worker/pool/restart/x", "/api/task/send-task/telemetry.x",
    "/api/task/apply/telemetry.requeue_stale_batches", "/api/task/revoke/x",
    "/api/worker/queue/cancel-consumer/x?queue=ingest",
)  # fmt: skip


@pytest.fixture
def port(environ: dict[str, str]) -> Iterator[int]:
    with flower(environ) as port:
        yield port


@contextmanager
def flower(environ: dict[str, str], **more: str) -> Iterator[int]:
    """Flower, started by the script that starts it everywhere; its port."""
    [port] = find_free_ports(1)
    given = {
        **environ, "FLOWER_BASIC_AUTH": f"{USER}:{PASSWORD}", "FLOWER_ADDRESS": "127.0.0.1",
        "FLOWER_PORT": str(port), "PATH": f"{ROOT}/.venv/bin:{environ['PATH']}",
        "DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": str(ROOT), **more,
    }  # fmt: skip
    with subprocess.Popen([Path(ROOT, "compose/start/flower")], env=given, cwd=ROOT) as process:
        try:
            deadline = time.monotonic() + 40
            while ask(port, "/healthcheck") != 200:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                process.kill()


def list_tasks(port: int) -> dict[str, dict[str, str]]:
    """The tasks that Flower knows, by their ids."""
    login = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/api/tasks", headers={"Authorization": f"Basic {login}"})
    found: dict[str, dict[str, str]] = json.load(connection.getresponse())
    connection.close()
    return found


def ask(
    port: int,
    path: str,
    *,
    login: str | bytes = "",
    method: str = "GET",
    seen: dict[str, str] | None = None,
) -> int:
    """The status of the answer, whose headers go into `seen`; 0 when nobody answers."""
    raw = login.encode() if isinstance(login, str) else login
    headers = {"Authorization": f"Basic {b64encode(raw).decode()}"} if login else {}
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        if seen is not None:
            seen.clear()
            seen.update(answer.getheaders())
        return answer.status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def test_it_shows_nothing_without_the_login_and_runs_nothing_with_it(port: int) -> None:
    right = f"{USER}:{PASSWORD}"
    paths = ("/", "/workers", "/tasks", "/broker", "/metrics", "/static/favicon.ico", "/login")
    for path in (*paths, "/api/workers", "/api/tasks", "/nowhere"):
        assert ask(port, path) == 401, path
    for path in ACTIONS:
        assert ask(port, path, method="POST") in (401, 403), path
        assert ask(port, path, method="POST", login=right) == 403, path
    for path in ("/workers", "/tasks", "/metrics", "/api/tasks"):
        assert ask(port, path, login=right) == 200, path
    seen: dict[str, str] = {}
    for path in ("/workers", "/static/favicon.ico", "/nowhere", "/healthcheck"):
        for login in (right, ""):  # no site shows it in a frame
            ask(port, path, login=login, seen=seen)
            assert "frame-ancestors 'none'" in seen["Content-Security-Policy"], path
            assert seen["X-Frame-Options"] == "DENY", path
            assert seen["X-Content-Type-Options"] == "nosniff", path
    assert ask(port, "/healthcheck") == 200


def test_it_locks_an_address_after_ten_failures(port: int) -> None:
    right = f"{USER}:{PASSWORD}"
    wrong = ["x", f"{USER}:", "operator:sénha", b"\xff\xfe:x", *("a:b",) * 5]
    assert [ask(port, "/", login=login) for login in wrong] == [401] * 9
    assert ask(port, "/", login=right) == 200
    assert [ask(port, "/metrics", login="a:b") for _ in range(11)] == [401] * 10 + [429]
    assert ask(port, "/", login=right) == 429
    assert ask(port, "/healthcheck") == 200


def test_it_starts_with_no_password_that_can_be_guessed() -> None:
    right = f"{USER}:{PASSWORD}"
    assert are_strong([right])
    for wrong in ([], [USER], [f"{USER}:"], [f":{PASSWORD}"], [f"{USER}:flower"], [right, "a:b"]):
        assert not are_strong(wrong), wrong


def test_it_remembers_tasks_over_a_restart(
    environ: dict[str, str], queue: BatchQueue, tmp_path: Path
) -> None:
    file = {"FLOWER_DB": str(tmp_path / "tasks")}
    with flower(environ, **file) as port:
        deadline = time.monotonic() + 20
        while "one" not in list_tasks(port):  # it listens a moment after it answers
            assert queue._app is not None
            with queue._app.events.default_dispatcher() as events:
                events.send(
                    "task-received", uuid="one", name=STORE_BATCHES_TASK, args="()", kwargs="{}"
                )
            assert time.monotonic() < deadline
            time.sleep(0.3)
    with flower(environ, **file) as port:
        assert list_tasks(port)["one"]["name"] == STORE_BATCHES_TASK


def test_it_is_told_of_storing_and_not_of_what_runs_all_the_time() -> None:
    app.loader.import_default_modules()
    frequent = {entry.task for entry in SCHEDULE if entry.at.seconds <= 60}
    assert REQUEUE_TASK in frequent
    assert not any(app.tasks[name].send_events for name in frequent)
    for name in (STORE_BATCHES_TASK, VERIFY_TASK, APPLY_RETENTION_TASK, SEND_MAIL_TASK):
        assert app.tasks[name].send_events, name


def test_it_shows_no_addresses_of_people(
    queue: BatchQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.mail.outbox.app", queue._app)
    monkeypatch.setattr("telemetry.mail.outbox.has_mail", lambda: True)
    assert queue_mail("reset", email="ana@example.com")
    [body] = queue.redis.lrange("maintenance", 0, -1)
    headers = json.loads(body)["headers"]
    assert "ana@" not in headers["kwargsrepr"] + headers["argsrepr"]
