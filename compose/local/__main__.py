"""`python -m compose.local COMMAND`: the local stack; `make` is how it is called."""

import argparse
import os
import sys
from collections.abc import Callable

from compose.local.commands.down import clean, distclean, show_down
from compose.local.commands.foreground import up
from compose.local.commands.status import show_status
from compose.local.layout import Layout, StackError, UsageError
from compose.local.progress import say_error
from compose.local.servers.rootfs import ensure_rootfs
from config.env import SettingError


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="compose.local", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args().command
    try:
        return COMMANDS[command](Layout()) or 0
    except (StackError, SettingError) as error:
        say_error(str(error))
        return error.exit_code if isinstance(error, StackError) else UsageError.exit_code
    except KeyboardInterrupt:
        return 130


def follow_logs(layout: Layout) -> None:
    """Become `tail -F` over the logs of all programs, or of the one that `P` names."""
    name = os.environ.get("P", "")
    logs = sorted(layout.logs.glob(f"{name or '*'}.log"))
    if not logs:
        known = ", ".join(sorted(path.stem for path in layout.logs.glob("*.log"))) or "none"
        raise StackError(f"P={name!r}: there is no such log; known: {known}")
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, logs)])


def build_servers(_: Layout) -> None:
    """Install the servers; nothing is started."""
    ensure_rootfs()


COMMANDS: dict[str, Callable[[Layout], int | None]] = {
    "up": up,
    "down": show_down,
    "status": show_status,
    "logs": follow_logs,
    "clean": clean,
    "distclean": distclean,
    "rootfs": build_servers,
}

if __name__ == "__main__":
    sys.exit(main())
