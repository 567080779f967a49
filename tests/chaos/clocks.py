"""Clocks of processes that jump by an hour and back."""

import shutil
import struct
import subprocess
from pathlib import Path

from compose.local.layout import StackError
from compose.local.servers.rootfs import SERVER_ENVIRONMENT, Rootfs, ensure_rootfs
from tests.chaos.cause import Cause, Step
from tests.chaos.schedule import Kind
from tests.chaos.stack import LINKS, ChaosStack

SOURCE = Path(__file__).with_name("shift_clock.c")
JUMP_S = 3_600
STEPS = (
    ["tcc", "-c", "-o", "/tmp/shift_clock.o", "/tmp/shift_clock.c"],
    # As in broker.py: the C library refuses what tcc's own linker makes. Its functions are found by
    # their bare names, so that what was made inside serves outside.
    ["ld", "-shared", "-z", "noexecstack", "-o", "/tmp/shift_clock.so", "/tmp/shift_clock.o"],
)


def list_clocks() -> list[Cause]:
    """Each process, ahead and behind: the end of a jump is a jump the other way."""
    return [
        Cause(
            Kind(f"{name}: clock an hour {word}", name),
            _jump(name, seconds),
            _jump(name, 0),
            prepare=make_clocks,
        )
        for name in LINKS
        for word, seconds in (("ahead", JUMP_S), ("behind", -JUMP_S))
    ]


def _jump(name: str, seconds: int) -> Step:
    return lambda stack: set_clock(stack.folder, name, seconds)


def set_clock(folder: Path, name: str, seconds: int) -> None:
    """Let a process's clock differ from now on. In place: the processes have mapped the file."""
    with _file(folder, name).open("r+b") as file:
        file.write(struct.pack("q", seconds * 1_000_000_000))


def make_clocks(stack: ChaosStack) -> None:
    """Have clocks that can be moved. Raises `StackError`."""
    if "beat" in stack.process_environ:
        return
    compile_clock(ensure_rootfs(), stack.folder)
    for name in LINKS:
        _file(stack.folder, name).write_bytes(struct.pack("q", 0))
        stack.process_environ[name] = {
            "LD_PRELOAD": str(stack.folder.resolve() / "shift_clock.so"),
            "CHAOS_CLOCK_FILE": str(_file(stack.folder.resolve(), name)),
        }


def compile_clock(rootfs: Rootfs, folder: Path) -> None:
    """Make `shift_clock.so` with the compiler of the private root filesystem, which the crash-safe
    broker brought. Raises `StackError`."""
    shutil.copy(SOURCE, rootfs.path / "tmp")
    for step in STEPS:
        try:
            done = subprocess.run(
                ["chroot", str(rootfs.path), *step],
                env=SERVER_ENVIRONMENT,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise StackError(f"compiling {SOURCE.name}: {error}") from error
        if done.returncode:
            raise StackError(f"compiling {SOURCE.name} failed: {done.stderr.strip()}")
    shutil.copy(rootfs.path / "tmp/shift_clock.so", folder)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.clock"
