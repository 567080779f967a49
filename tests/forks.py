"""Processes of the product that start in half of the time of a new interpreter.

They are forked from a server that has imported the libraries already, and nothing of ours. That the
commands themselves start, `make up`, chaos and the first test of `manage.py` show.
"""

import atexit
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

ROOT = Path(__file__).parents[1]
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


def start(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    stdout: Path,
    stderr: Path | None = None,
    folder: Path = ROOT,
) -> ForkServerProcess:
    """Start `python ARGUMENTS` in a folder. Output is added to the files; stderr to stdout's
    unless it has its own. The process leads a group of its own."""
    process = FORKS.Process(
        target=_become, args=(list(arguments), dict(environ), stdout, stderr or stdout, folder)
    )
    process.start()
    return process


def run(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    folder: Path = ROOT,
    timeout_s: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` to its end, as `subprocess.run` does. Raises `TimeoutExpired`."""
    with tempfile.TemporaryDirectory() as name:
        stdout, stderr = Path(name) / "stdout", Path(name) / "stderr"
        process = start(arguments, environ, stdout=stdout, stderr=stderr, folder=folder)
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), timeout_s)
        said = [each.read_text(encoding="utf-8") for each in (stdout, stderr)]
        return subprocess.CompletedProcess(list(arguments), process.exitcode, *said)


def _become(
    arguments: list[str], environ: dict[str, str], stdout: Path, stderr: Path, folder: Path
) -> None:
    """In the new process: be `python ARGUMENTS`."""
    os.setsid()
    for number, path in ((1, stdout), (2, stderr)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.path[:] = [str(folder), *(each for each in sys.path if each not in ("", str(ROOT)))]
    kind = arguments[0] if arguments[0] in ("-m", "-c") else ""
    sys.argv = arguments[1:] if kind else arguments
    try:
        if kind == "-m":
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        elif kind == "-c":
            exec(compile(sys.argv[0], "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()
