"""A progress line by bytes, on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn


@contextmanager
def show_bytes(verb: str) -> Iterator[Callable[[str, int], None]]:
    """Yields a function that takes a part's name and its further bytes."""
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(verb, total=None)

        def show(part: str, count: int) -> None:
            progress.update(task, advance=count, description=f"{verb} {part}")

        yield show
