"""Finding and ending the processes of a stack."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compose.local.layout import MARKER
from compose.local.processes import (
    end_processes,
    end_stack_processes,
    find_stack_processes,
    is_alive,
)

SLEEP = [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(60)",
]
Launch = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def launch() -> Iterator[Launch]:
    started: list[subprocess.Popen[bytes]] = []

    def start(argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, **options)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()  # closes its output


def test_it_finds_a_process_when_it_carries_the_marker(launch: Launch, tmp_path: Path) -> None:
    ours = launch(SLEEP, env={MARKER: str(tmp_path)})
    launch(SLEEP, env={MARKER: f"{tmp_path}-of-another"})

    assert set(find_stack_processes(tmp_path, data=None)) == {ours.pid}


def test_it_finds_a_process_when_it_only_works_in_the_data_folder(
    launch: Launch,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data" / "redis"
    folder.mkdir(parents=True)
    server = launch(SLEEP, cwd=folder)

    assert set(find_stack_processes(Path("/nowhere"), data=tmp_path / "data")) == {server.pid}


def test_it_leaves_its_own_shell_alone_when_that_carries_the_marker(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path;"
        "from compose.local.processes import find_stack_processes;"
        f"print(find_stack_processes(Path({str(tmp_path)!r}), data=None))"
    )
    command = f'{sys.executable} -c "{script}"; true'
    environ = {**os.environ, MARKER: str(tmp_path), "PYTHONPATH": str(Path.cwd())}

    done = subprocess.run(
        ["sh", "-c", command], env=environ, capture_output=True, text=True, check=True
    )

    assert done.stdout == "{}\n"


def test_it_kills_a_process_when_it_does_not_end_by_itself(launch: Launch) -> None:
    stubborn = launch(STUBBORN)

    end_processes([stubborn.pid], patience_s=0.2)

    assert not is_alive(stubborn.pid)
    assert stubborn.wait() == -signal.SIGKILL


def test_it_names_what_it_ended_when_a_stack_left_something_behind(
    launch: Launch,
    tmp_path: Path,
) -> None:
    left = launch(SLEEP, env={MARKER: str(tmp_path)})

    names = end_stack_processes(tmp_path, data=None)

    assert len(names) == 1
    assert names[0].startswith("python")
    assert not is_alive(left.pid)
    assert end_stack_processes(tmp_path, data=None) == []
