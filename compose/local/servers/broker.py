"""The crash-safe broker in the private root filesystem: a newer Mosquitto than its suite has.

Mosquitto 2.1 with its SQLite plugin, and the C library that it needs, come from another suite;
everything else stays. Two plugins of ours are compiled inside: one covers the moment between the
broker's PUBACK and its commit, the other checks client ids and subscriptions. Without all that the
broker of the root filesystem's own suite serves.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from compose.local.layout import SERVER_FILES, StackError
from compose.local.progress import say
from compose.local.servers.pins import KEEPER, Pins

PLUGIN = "usr/lib/*/mosquitto/mosquitto_persist_sqlite.so"
# What may come from the broker's suite; apt takes everything else from the root filesystem's own.
TAKEN = "src:mosquitto libpicohttpparser1 libdlt3 src:glibc"
COMPILER = ("tcc", "binutils", "libc6-dev", "mosquitto-dev", "libmosquitto-dev")
RIGHTS = "check_rights"  # the plugin that checks client ids and subscriptions
PROMISE = (
    "the broker is not crash-safe: killed, it may lose what it acknowledged in its last 15 s, and "
    "after a restart what is published before the bridges are back; whoever has any password and "
    "guesses a bridge's client id or group can take messages away"
)


def find_plugin(root: Path) -> str | None:
    """The path of the persistence plugin as the broker sees it, if it is installed."""
    return next((f"/{path.relative_to(root)}" for path in root.glob(PLUGIN)), None)


def install_broker(pins: Pins, root: Path, run: Callable[[Sequence[str]], bool]) -> None:
    """Install the crash-safe broker, or say what is promised without it.

    `run` runs a command and says whether it succeeded. Nothing is changed when the packages cannot
    be fetched. Raises `StackError` when it breaks half-way.
    """
    write_sources(pins, root)
    inside = ("chroot", str(root))
    # The suite moves on: its lists may be older than they say they are valid.
    update = ["apt-get", "-q", "-o", "Acquire::Check-Valid-Until=false", "update"]
    install = ["apt-get", "-q", "-y", "--no-install-recommends", "--no-remove", "install"]
    # No other version: the plugin builds on an interface that may change.
    packages = [f"{name}={version}*" for name, version in pins.broker_versions.items()]
    packages += ["systemd-standalone-sysusers", *COMPILER]
    fetch = [*install, "--download-only", *packages]
    if not (run([*inside, *update]) and run([*inside, *fetch])):
        wanted = ", ".join(f"{name} {text}" for name, text in pins.broker_versions.items())
        say(f"  {wanted} of {pins.broker_suite} cannot be installed:")
        say(f"  {PROMISE}")
        say("  make distclean and make up try again")
        return
    if not run([*inside, *install, *packages]):
        raise StackError(f"the broker could not be installed: {install[0]} failed")
    compile_plugin(KEEPER, KEEPER, root, run)


def ensure_rights(root: Path, run: Callable[[Sequence[str]], bool]) -> str | None:
    """The path of the plugin that checks rights, as the broker sees it; it is compiled when it has
    changed. None without the broker that it is for."""
    plugin = find_plugin(root)
    if plugin is None:
        return None
    source = (SERVER_FILES / f"{RIGHTS}.c").read_bytes()
    name = f"{RIGHTS}-{hashlib.sha256(source).hexdigest()[:10]}"
    path = f"{plugin.rpartition('/')[0]}/{name}.so"
    if not (root / f".{path}").exists():
        compile_plugin(RIGHTS, name, root, run)
    return path


def compile_plugin(
    source: str, name: str, root: Path, run: Callable[[Sequence[str]], bool]
) -> None:
    """Compile a plugin inside and put it beside the broker's own, in one step: others may compile
    it at the same time. Raises `StackError`."""
    work = f"/tmp/{name}-{os.getpid()}"
    shutil.copy(SERVER_FILES / f"{source}.c", root / f".{work}.c")
    steps = (
        ["tcc", "-Wall", "-c", "-o", f"{work}.o", f"{work}.c"],
        # tcc's own linker marks the stack as executable, which the C library refuses to load.
        ["ld", "-shared", "-z", "noexecstack", f"{work}.o", "-o", f"{work}.so"],
    )
    for step in steps:
        if not run(["chroot", str(root), *step]):
            raise StackError(f"{source}.c could not be compiled: {step[0]} failed")
    folder = root / Path(f".{find_plugin(root)}").parent
    (root / f".{work}.so").replace(folder / f"{name}.so")
    for end in ("c", "o"):
        (root / f".{work}.{end}").unlink()


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
