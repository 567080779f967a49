"""Clocks and disks of `python -m tests.chaos` do what their kinds of fault say."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.clocks import list_clocks, make_clocks, set_clock
from tests.chaos.disks import fill_disk, resize_disk
from tests.chaos.stack import ChaosStack

pytestmark = pytest.mark.integration

ASK = """
import multiprocessing, os, sys, time

def tell():
    print(time.time(), time.monotonic(), flush=True)

def child(event):
    sys.stdin.readline()
    started_s = time.monotonic()
    event.wait(0.2)  # sem_timedwait, with a deadline of the time of day
    time.sleep(0.1)
    print(time.time(), time.monotonic() - started_s, flush=True)

tell()
event = multiprocessing.get_context("fork").Event()
if not os.fork():
    child(event)
    os._exit(0)
os.wait()
"""


def test_it_moves_the_time_of_day_of_a_process_and_its_children_and_no_other_clock(
    tmp_path: Path, servers: object
) -> None:
    stack = ChaosStack(tmp_path)
    make_clocks(stack)
    stack.proxies.stop()
    with subprocess.Popen(
        [sys.executable, "-c", ASK],
        env={**os.environ, **stack.process_environ["bridge"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        before_s, _ = map(float, process.stdout.readline().split())
        set_clock(tmp_path, "bridge", -3_600)
        process.stdin.write("\n")
        process.stdin.flush()
        after_s, waited_s = map(float, process.stdout.readline().split())
    assert -3_600 <= after_s - before_s < -3_500
    assert 0.3 <= waited_s < 10


def test_it_has_a_kind_for_each_process_and_direction() -> None:
    assert len({cause.kind.name for cause in list_clocks()}) == 8


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "chaos", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_it_leaves_a_disk_no_room_until_it_is_given_some(disk: Path) -> None:
    (disk / "held").write_bytes(b"x" * 100_000)
    fill_disk(disk)
    with pytest.raises(OSError, match="No space left on device"):
        (disk / "more").write_bytes(b"x" * 5_000)
    assert (disk / "held").read_bytes() == b"x" * 100_000
    resize_disk(disk, "1m")
    assert (disk / "more").write_bytes(b"x" * 5_000) == 5_000
