"""As which user the product's processes run: where that can be had, not as root."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from compose.local.layout import PYTHON, REPOSITORY, Layout

USER_ID = 10001
"""As in the containers; on a host it needs neither a name nor an entry."""

NO_HOME = "/nonexistent"


@cache
def find_obstacle() -> str:
    """Why another user cannot run the processes, by trying; empty when it can."""
    # By a shell: setpriv itself may still enter any folder.
    script = 'exec "$1" -c "import config.env, psycopg"'
    argv = become(USER_ID, ("sh", "-c", script, "sh", str(PYTHON)))
    try:
        done = subprocess.run(
            argv, cwd=REPOSITORY, env={}, capture_output=True, text=True, check=False
        )
    except OSError as error:
        return str(error)
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def find_process_user() -> int | None:
    """The id of a user for the processes, when root starts them; None: whoever starts them."""
    return USER_ID if os.geteuid() == 0 and not find_obstacle() else None


def describe_user(user: int | None) -> str:
    """For the operator. Root hears why, where the processes run as root, and what to do."""
    if user is not None:
        return f"processes run as user {user}, without capabilities"
    if os.geteuid() != 0:
        return "processes run as the user that called make up"
    return (
        f"processes run as root, as user {USER_ID} cannot run them ({find_obstacle()}): they would "
        "where others can read the checkout and the Python interpreter, as in /srv and /usr/bin"
    )


def become(user: int | None, argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command, run by this user, who gets no more rights whatever it executes."""
    if user is None:
        return argv
    return (
        *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"),
        *("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--", *argv),
    )


def hand_over(user: int | None, values: Mapping[str, str], *, layout: Layout) -> None:
    """Let the processes write what is theirs to write, and read the files that they need.

    Of the folders that they write nothing inside is touched: it may be a link to what is root's.
    """
    if user is None:
        return
    layout.folder.chmod(0o710)  # to enter, not to list
    os.chown(layout.folder, -1, user)
    written = [layout.health, layout.flower, layout.mail]
    read = [Path(values["STATIC_ROOT"])]
    if "CA_FOLDER" in values:
        written.append(Path(values["CA_CRL_FILE"]).parent)
        read += [Path(values["CA_FOLDER"]), layout.tls]
        layout.tls.mkdir(exist_ok=True)
        for name in ("broker.crt", "broker.key"):  # of the enrolment process as well
            shutil.copyfile(Path(values["MQTT_TLS_FOLDER"]) / name, layout.tls / name)
    for folder in written:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, user, user)
    for folder in read:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, -1, user)
            path.chmod(0o750 if path.is_dir() else 0o640)
