"""The crash-safe broker in the private root filesystem: a newer Mosquitto than its suite has.

Mosquitto 2.1 with its SQLite plugin, and the C library that it needs, come from another suite;
everything else stays. A plugin of ours, compiled inside, covers the moment between the broker's
PUBACK and its commit. Without all that the broker of the root filesystem's own suite serves.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from compose.local.layout import LOCAL, SERVER_FILES, StackError
from compose.local.progress import read_tail, say
from compose.local.servers.pins import KEEPER, Pins

LOG = LOCAL / "broker-install.log"
PLUGIN = "usr/lib/*/mosquitto/mosquitto_persist_sqlite.so"
# What may come from the broker's suite; apt takes everything else from the root filesystem's own.
TAKEN = "src:mosquitto libpicohttpparser1 libdlt3 src:glibc"
COMPILER = ("tcc", "binutils", "libc6-dev", "mosquitto-dev", "libmosquitto-dev")
INSTALL = ("systemd-standalone-sysusers", *COMPILER)
PROMISE = (
    "the broker is not crash-safe: killed, it may lose what it acknowledged in its last 15 s, and "
    "after a restart what is published before the bridges are back"
)


def find_plugin(root: Path) -> str | None:
    """The path of the persistence plugin as the broker sees it, if it is installed."""
    for path in root.glob(PLUGIN):
        return f"/{path.relative_to(root)}"
    return None


def install_broker(pins: Pins, root: Path) -> None:
    """Install the crash-safe broker, or say what is promised without it.

    Nothing is changed when it cannot be fetched. Raises `StackError` when it breaks half-way.
    """
    write_sources(pins, root)
    with LOG.open("w", encoding="utf-8") as log:
        # The suite moves on: its lists may be older than they say they are valid.
        update = ["apt-get", "-q", "-o", "Acquire::Check-Valid-Until=false", "update"]
        install = ["apt-get", "-q", "-y", "--no-install-recommends", "--no-remove", "install"]
        # No other version: the plugin builds on an interface that may change.
        packages = [f"{name}={version}*" for name, version in pins.broker_versions.items()]
        packages += INSTALL
        fetch = [*install, "--download-only", *packages]
        if not (run_inside(root, update, log.fileno()) and run_inside(root, fetch, log.fileno())):
            wanted = ", ".join(f"{name} {text}" for name, text in pins.broker_versions.items())
            say(f"  {wanted} of {pins.broker_suite} cannot be installed ({LOG}):")
            say(f"  {PROMISE}")
            say("  make distclean and make up try again")
            return
        if not run_inside(root, [*install, *packages], log.fileno()):
            raise StackError(f"installing the broker failed. Log: {LOG}\n{read_tail(LOG)}")
        compile_keeper(root, log.fileno())


def compile_keeper(root: Path, log: int) -> None:
    """Compile our plugin beside the broker's own. Raises `StackError`."""
    target = Path(str(find_plugin(root))).with_name(f"{KEEPER}.so")
    shutil.copy(SERVER_FILES / f"{KEEPER}.c", root / "tmp")
    steps = (
        ["tcc", "-c", "-o", f"/tmp/{KEEPER}.o", f"/tmp/{KEEPER}.c"],
        # tcc's own linker marks the stack as executable, which the C library refuses to load.
        ["ld", "-shared", "-z", "noexecstack", "-o", str(target), f"/tmp/{KEEPER}.o"],
    )
    if not all(run_inside(root, step, log) for step in steps):
        raise StackError(f"compiling {KEEPER}.c failed. Log: {LOG}\n{read_tail(LOG)}")


def write_sources(pins: Pins, root: Path) -> None:
    """Let apt see the broker's suite, for the named packages only."""
    apt = root / "etc/apt"
    apt.joinpath("sources.list.d/broker.list").write_text(
        f"deb {pins.mirror} {pins.broker_suite} main\n", encoding="ascii"
    )
    apt.joinpath("preferences.d/broker").write_text(
        f"Package: *\nPin: release a={pins.broker_suite}\nPin-Priority: 100\n\n"
        f"Package: {TAKEN}\nPin: release a={pins.broker_suite}\nPin-Priority: 990\n",
        encoding="ascii",
    )


def run_inside(root: Path, argv: Sequence[str], log: int) -> bool:
    """Run a command inside; whether it succeeded. It ends with this process."""
    done = subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", "chroot", str(root), *argv],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        check=False,
    )
    return done.returncode == 0
