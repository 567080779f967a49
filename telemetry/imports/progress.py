"""Show how far an import is: bars on a terminal, a line a minute elsewhere; both on stderr."""

import time
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

REDRAW_EVERY_S = 0.1
REPORT_EVERY_S = 60.0


class ImportProgress:
    """One step after the other, each with a total. Use with `with`."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._every_s = REDRAW_EVERY_S if self._console.is_terminal else REPORT_EVERY_S
        self._task: TaskID | None = None
        self._verb = ""
        self._total = 0
        self._next_at_s = 0.0
        self._said = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, verb: str, *, total: int) -> None:
        """Go on to the next step. `total` is in the step's own unit."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._verb, self._total = verb, total
        self._task = self._bars.add_task(verb, total=total or None, detail="")
        self._next_at_s = time.monotonic() + self._every_s

    def show(self, done: int, detail: str = "") -> None:
        """Say how far the step is; most calls draw nothing."""
        now_s = time.monotonic()
        if now_s < self._next_at_s or self._task is None:
            return
        self._next_at_s = now_s + self._every_s
        if self._console.is_terminal:
            self._bars.update(self._task, completed=done, detail=detail)
        else:
            share = f" {100 * done / self._total:.0f}%" if self._total else ""
            self._console.print(f"{self._verb}:{share} {detail}".rstrip(), highlight=False)

    def say(self, text: str) -> None:
        """Print a line, unless it is the last one again."""
        if text and text != self._said:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._said = text
