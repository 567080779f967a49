"""Where everything of the local stack lies: one ignored folder beside the code."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER_FILES = REPOSITORY / "compose" / "servers"
START_SCRIPTS = REPOSITORY / "compose" / "start"
PYTHON = REPOSITORY / ".venv" / "bin" / "python"

LOCAL = REPOSITORY / ".local"
ROOTFS_FOLDER = LOCAL / "rootfs"

UMASK = 0o077
"""What a stack writes is for the user that runs it and for nobody else."""

MARKER = "TDS_STACK"
"""The variable that every process of a stack carries: the folder of the stack."""


class StackError(Exception):
    """The stack cannot do what was asked. The text is for the operator and says what to do."""

    exit_code = 1


class UsageError(StackError):
    """A variable, the machine or a running stack forbids it; nothing was changed."""

    exit_code = 2


class Layout:
    """The files of one running stack. `folder` also marks its processes."""

    def __init__(self, folder: Path = LOCAL) -> None:
        self.folder = folder
        self.logs = folder / "log"
        self.run = folder / "run"
        self.health = folder / "health"
        self.flower = folder / "flower"
        self.mail = folder / "mail"
        self.tls = folder / "tls"
        self.stack_env = folder / "stack.env"
        self.state = self.run / "stack.json"
        self.lock = self.run / "up.lock"

    def create(self) -> None:
        """Make the folders, private to the user that starts the stack. The first may be entered by
        the group, to which `make up` adds nobody but the processes."""
        for folder in (self.folder, self.logs, self.run, self.health, self.flower):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o710 if folder == self.folder else 0o700)


def write_private(path: Path, text: str, *, owner: tuple[int, int] | None = None) -> None:
    """Replace a file in one step; only its owner can read it."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        if owner:
            os.fchown(handle, *owner)
        file.write(text)
    fresh.replace(path)
