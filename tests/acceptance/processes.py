"""Start the product's processes as an operator would, and end them whatever happens."""

import atexit
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


def wait_until(
    condition: Callable[[], object],
    *,
    timeout_s: float,
    what: str | Callable[[], str],
    every_s: float = 0.05,
) -> None:
    """Return as soon as the condition holds; fail with words when it does not in time.

    `what` may be a function, which is asked at the failure: it can say how things are by then.
    """
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= give_up_at:
            words = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {timeout_s:g} s: {words}")
        time.sleep(every_s)


class Process:
    """One process of the product, with its log.

    It is forked from a server that has imported the libraries already, which saves half of the
    work of a start. That the commands themselves start, `make up`, chaos and bench show.
    """

    def __init__(self, name: str, arguments: list[str], environ: dict[str, str], log: Path) -> None:
        self.name = name
        self.log_path = log
        self._arguments = arguments
        self._environ = environ
        self._running: ForkServerProcess | None = None

    def start(self) -> None:
        """Start it; output is added to the log."""
        self.log_path.touch()
        self._running = FORKS.Process(
            target=_run, args=(self._arguments, self._environ, self.log_path)
        )
        self._running.start()

    @property
    def pid(self) -> int:
        """The process id of the parent."""
        assert self._running is not None
        assert self._running.pid is not None
        return self._running.pid

    def children(self) -> list[int]:
        """Process ids of its children."""
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._running is not None and self._running.is_alive()

    def wait(self, *, timeout_s: float) -> int:
        """Its exit code."""
        assert self._running is not None
        self._running.join(timeout_s)
        assert self._running.exitcode is not None, f"{self.name} runs after {timeout_s:g} s"
        return self._running.exitcode

    def ask_to_stop(self) -> None:
        """SIGTERM, if it runs."""
        if self.is_running():
            os.kill(self.pid, signal.SIGTERM)

    def stop(self, *, timeout_s: float = 20) -> None:
        """End it as a supervisor does: SIGTERM, and SIGKILL to what is left."""
        if self._running is None:
            return
        self.ask_to_stop()
        self._running.join(timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the process and everything that it started."""
        assert self._running is not None
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._running.kill()  # it may not have made its group yet
        self._running.join(10)

    def read_log(self) -> str:
        """What it has said so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")


def _run(arguments: list[str], environ: dict[str, str], log: Path) -> None:
    """In the new process: become `python ARGUMENTS`, with this environment and log."""
    os.setsid()
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environ)
    is_module = arguments[0] == "-m"
    sys.argv = arguments[1:] if is_module else arguments
    try:
        if is_module:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()


# What no setting decides: settings are read when `config` is imported, so nothing of ours is here.
LIBRARIES = [
    *("celery.app.amqp", "celery.apps.beat", "celery.apps.worker", "celery.bin.celery"),
    *("celery.concurrency.prefork", "celery.events.state", "celery.fixups.django"),
    *("celery.loaders.app", "celery.worker.consumer", "celery.worker.strategy"),
    *("django.core.handlers.wsgi", "django.core.management", "django.db.models"),
    *("django.db.backends.postgresql.base", "django.forms", "django.template.defaulttags"),
    *("django.urls", "django.views.generic", "gunicorn.app.wsgiapp", "gunicorn.workers.gthread"),
    *("kombu.transport.redis", "msgspec", "paho.mqtt.client", "psycopg", "pydantic", "redis"),
    *("structlog", "xlsxwriter"),
]
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(LIBRARIES)
