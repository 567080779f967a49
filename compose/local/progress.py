"""What the operator sees: short lines."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One line, also when the output is a file."""
    OUT.print(escape(text))


def say_error(text: str) -> None:
    """One line on the error stream."""
    ERR.print(f"[red]error:[/red] {escape(text)}")


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print what is done and how long it took."""
    started = time.monotonic()
    yield
    OUT.print(f"  [green]ok[/green] {escape(name)} [dim]{time.monotonic() - started:.1f} s[/dim]")


def read_tail(path: Path, *, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join("    " + line for line in text.splitlines()[-lines:])
