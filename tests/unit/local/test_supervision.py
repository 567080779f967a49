"""What a real supervisor makes of programs that run, that end, and that are gone from the set."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.local.commands.status import check_program
from compose.local.layout import Layout, StackError
from compose.local.processes import is_alive, wait_until_gone
from compose.local.stack.programs import Program
from compose.local.supervisor.supervision import Supervision

# Supervisor outlives whoever started it, which Popen warns of.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ENVIRON = {"PATH": "/usr/bin:/bin"}
SLEEP = Program("sleep", ("sleep", "60"), ENVIRON, priority=10)
ENDING = Program("ending", ("true",), ENVIRON, priority=30, ends=True)
BROKEN = Program("broken", ("sh", "-c", "echo no such disk; exit 3"), ENVIRON, priority=20)


@pytest.fixture
def supervision(tmp_path: Path) -> Iterator[Supervision]:
    layout = Layout(tmp_path / ("deep" * 30))  # longer than the path of a socket may be
    layout.create()
    supervision = Supervision(layout)
    supervision.write_config([SLEEP, BROKEN, ENDING])
    supervision.start()
    pid = supervision.read_pid()
    yield supervision
    supervision.shutdown()
    assert wait_until_gone({pid}, timeout_s=20.0) == set()
    assert not supervision.socket.exists()


def test_it_starts_again_what_was_killed_and_stops_what_it_is_told_to(
    supervision: Supervision,
) -> None:
    supervision.start_programs(["sleep"])
    supervision.start_programs(["sleep"])  # runs already
    first = supervision.list_states()["sleep"]["pid"]

    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while supervision.count_starts() != {"sleep": 2} and time.monotonic() < deadline:
        time.sleep(0.1)

    assert supervision.count_starts() == {"sleep": 2}
    second = supervision.list_states()["sleep"]["pid"]
    supervision.stop_programs(["sleep", "broken"])  # one of them does not run
    assert supervision.list_states()["sleep"]["statename"] == "STOPPED"
    assert not is_alive(second)


def test_it_leaves_a_program_that_ends_by_itself_to_it(supervision: Supervision) -> None:
    supervision.start_ending(["ending"])
    deadline = time.monotonic() + 10
    while (state := supervision.list_states()["ending"])["statename"] != "EXITED":
        assert time.monotonic() < deadline, state
        time.sleep(0.05)

    assert supervision.count_starts() == {"ending": 1}
    assert check_program(state, "", {}) == ""
    assert check_program({**state, "exitstatus": 1}, "", {}) == "exited (exit code 1)"


def test_it_writes_for_nobody_else(tmp_path: Path) -> None:
    """`.local/mail` could be read by every user of the machine."""
    layout = Layout(tmp_path / "local")
    layout.folder.mkdir(mode=0o755)  # as an earlier version made it
    layout.create()
    mail = (
        "sh",
        "-c",
        f"mkdir {layout.folder}/mail; echo hello > {layout.folder}/mail/1; sleep 60",
    )
    supervision = Supervision(layout)
    supervision.write_config([Program("mailer", mail, ENVIRON, priority=10)])
    supervision.start()
    pid = supervision.read_pid()
    try:
        supervision.start_programs(["mailer"])
        deadline = time.monotonic() + 10
        while not (layout.folder / "mail" / "1").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        written = list(layout.folder.rglob("*"))
        assert {path.name for path in written} >= {"mail", "1", "mailer.log", "mailer", "run"}
        is_open = [path for path in written if path.stat().st_mode & 0o077]
        assert is_open == []
        # Its group may enter it: that of the processes, or nobody's.
        assert layout.folder.stat().st_mode & 0o777 == 0o710
    finally:
        supervision.shutdown()
        wait_until_gone({pid}, timeout_s=20.0)


def test_it_shows_the_log_of_a_program_that_ends_at_its_start(supervision: Supervision) -> None:
    def start() -> None:
        supervision.start_programs(["sleep", "broken"])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # it may just be tried again
            supervision.require_running(["broken"])
            time.sleep(0.05)

    with pytest.raises(StackError, match=r"(?s)broken ended at its start.*no such disk"):
        start()


def test_it_stops_what_is_gone_from_the_set(supervision: Supervision) -> None:
    supervision.start_programs(["sleep"])
    pid = supervision.list_states()["sleep"]["pid"]

    supervision.write_config([BROKEN])
    supervision.reload()

    assert list(supervision.list_states()) == ["broken"]
    assert not is_alive(pid)
