"""`make clean` and `make distclean`: delete data, and what was installed."""

import os
import shutil
import sys

from compose.local.commands.down import bring_down
from compose.local.layout import ROOTFS_FOLDER, Layout, UsageError
from compose.local.progress import say
from compose.local.servers.rootfs import remove_tree
from compose.local.stack.plan import find_data
from compose.local.stack.settings import secrets_path


def clean(layout: Layout) -> None:
    """Delete readings, queues, sessions, secrets and logs; what was installed stays."""
    confirm("This deletes every reading, queue, account and password of this stack.")
    bring_down(layout)
    for path in (layout.stack_env, secrets_path(layout)):
        path.unlink(missing_ok=True)
    for folder in (find_data(), layout.logs, layout.run):
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    say("Deleted the data. make up starts with an empty database.")


def distclean(layout: Layout) -> None:
    """Delete the whole folder `.local` as well; the Makefile deletes the virtual environment."""
    clean(layout)
    for path in sorted(ROOTFS_FOLDER.glob("*")):
        remove_tree(path)
    shutil.rmtree(layout.folder)


def confirm(question: str) -> None:
    """Ask; `YES=1` answers. Raises `UsageError` without a yes."""
    if os.environ.get("YES") == "1":
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to ask: say YES=1")
    if input(f"{question} Type yes to go on: ").strip() != "yes":
        raise UsageError("nothing was deleted")
