"""The private root filesystem that the servers run in: Debian packages, made by debootstrap.

One folder per set of pins. A build happens beside it and is renamed when it is whole, so that an
interrupted one is never taken for whole. The servers' data lies inside, under `data/`, because
their unprivileged users cannot reach a checkout below a private home folder.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import psutil

from compose.local.folderlock import hold_lock
from compose.local.layout import LOCAL, REPOSITORY, ROOTFS_FOLDER, StackError, UsageError
from compose.local.processes import find_processes_below
from compose.local.progress import OUT, read_tail, say
from compose.local.servers.broker import find_plugin, install_broker
from compose.local.servers.pins import Pins, check_versions, read_pins

# What a server's process gets as environment, beside the marker.
SERVER_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "HOME": "/",
}
POSTGRES_BIN = "/usr/lib/postgresql/17/bin"
TEMPLATE = "template/postgres"
BUILD_LOG = LOCAL / "rootfs-build.log"
HOW_ELSE = (
    "set DATABASE_URL, REDIS_URL and MQTT_HOST (with MQTT_BRIDGE_USER, MQTT_BRIDGE_PASSWORD, "
    "MQTT_GATEWAY_USER, MQTT_GATEWAY_PASSWORD) to servers that run already, "
    "or use compose/compose.yaml"
)


@dataclass(frozen=True)
class Rootfs:
    """A finished root filesystem."""

    path: Path

    @property
    def data(self) -> Path:
        return self.path / "data"

    def find_user(self, name: str) -> tuple[int, int]:
        """User and group id of a server's user, as the root filesystem numbers them."""
        for line in (self.path / "etc/passwd").read_text(encoding="utf-8").splitlines():
            fields = line.split(":")
            if fields[0] == name:
                return int(fields[2]), int(fields[3])
        raise StackError(f"user {name} is missing in {self.path}/etc/passwd: run make distclean")

    def command(self, user: str, argv: Sequence[str]) -> list[str]:
        """A command line that runs inside, as `user`, in place of the calling process."""
        uid, gid = self.find_user(user)
        return ["/usr/sbin/chroot", f"--userspec={uid}:{gid}", "--groups=", str(self.path), *argv]

    def run(self, user: str, argv: Sequence[str], *, text: str = "") -> CompletedProcess[str]:
        """Run a command inside, with `text` as its input, to its end."""
        return subprocess.run(
            self.command(user, argv),
            input=text,
            env=SERVER_ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )

    def read_versions(self) -> dict[str, str]:
        """The version of each installed package."""
        argv = ["/usr/bin/dpkg-query", "--show", "--showformat", "${Package} ${Version}\n"]
        lines = self.run("root", argv).stdout.splitlines()
        return dict(line.split(" ", 1) for line in lines)


def ensure_rootfs() -> Rootfs:
    """Return the root filesystem that fits the pins; build it first when there is none."""
    pins = read_pins()
    path = ROOTFS_FOLDER / pins.key
    if os.geteuid() != 0:
        raise UsageError(f"the servers need root to start without containers; {HOW_ELSE}")
    if re.search(r"[^A-Za-z0-9_.,:/@%+=~-]", str(path)):
        raise UsageError(
            f"the checkout lies in {REPOSITORY}: expected a path without spaces and other special "
            "characters, which debootstrap cannot install into; move the checkout"
        )
    with hold_lock(LOCAL / "rootfs.lock", waiting="another build of the root filesystem to end"):
        if not path.is_dir():
            build_rootfs(pins, path)
        adopt_data(path)
    return Rootfs(path)


def find_rootfs() -> Rootfs | None:
    """The root filesystem if it was built."""
    path = ROOTFS_FOLDER / read_pins().key
    return Rootfs(path) if path.is_dir() else None


def build_rootfs(pins: Pins, path: Path) -> None:
    """Install the packages beside `path`, check them, prepare a database cluster, rename."""
    if shutil.which("debootstrap") is None:
        raise UsageError(
            f"debootstrap is missing (on Debian: apt-get install debootstrap); or {HOW_ELSE}"
        )
    rootfs = Rootfs(path.with_name(path.name + ".building"))
    remove_tree(rootfs.path)
    rootfs.path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    BUILD_LOG.unlink(missing_ok=True)
    say(f"Installing {', '.join(name for name in pins.versions if name != 'tzdata')}")
    say(f"  from {pins.mirror} {pins.suite} into a private root filesystem (once, about a minute)")
    started = time.monotonic()
    with OUT.status("Debian packages"):
        run_debootstrap(pins, rootfs.path)
        check_versions(pins.versions, rootfs.read_versions())
        try:
            install_broker(pins, rootfs.path, run_build)
        except StackError as error:
            raise StackError(f"{error}. Log: {BUILD_LOG}\n{read_tail(BUILD_LOG)}") from error
    installed = rootfs.read_versions()
    if find_plugin(rootfs.path):
        check_versions(pins.broker_versions, installed)
    for name in ("var/cache/apt", "var/lib/apt/lists", "var/lib/postgresql/17"):
        shutil.rmtree(rootfs.path / name, ignore_errors=True)
    make_template(rootfs)
    rootfs.data.mkdir(mode=0o755)
    os.sync()
    rootfs.path.rename(path)
    names = ", ".join(f"{name} {installed[name]}" for name in pins.versions if name != "tzdata")
    say(f"  installed in {time.monotonic() - started:.0f} s: {names}")


def run_debootstrap(pins: Pins, target: Path) -> None:
    """Run debootstrap so that its children and its mounts end with it, where that can be."""
    isolate = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if not run_build([*isolate, "true"]):
        isolate = []
    argv = ["debootstrap", "--variant=minbase", f"--include={','.join(pins.versions)}"]
    if not run_build([*isolate, *argv, pins.suite, str(target), pins.mirror]):
        raise StackError(
            f"debootstrap failed; is {pins.mirror} reachable? "
            f"DEBIAN_MIRROR moves it. Log: {BUILD_LOG}\n{read_tail(BUILD_LOG)}"
        )


def run_build(argv: Sequence[str]) -> bool:
    """Run a command that ends with this process; whether it succeeded. Its output is logged."""
    with BUILD_LOG.open("ab") as log:
        done = subprocess.run(
            ["setpriv", "--pdeathsig", "KILL", *argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
            start_new_session=True,
            check=False,
        )
    return done.returncode == 0


def make_template(rootfs: Rootfs) -> None:
    """Create the database cluster that every stack's data is copied from."""
    uid, gid = rootfs.find_user("postgres")
    folder = rootfs.path / TEMPLATE
    folder.mkdir(parents=True)
    os.chown(folder, uid, gid)
    folder.chmod(0o700)
    argv = [f"{POSTGRES_BIN}/initdb", "-D", f"/{TEMPLATE}", "-U", "postgres", "-E", "UTF8"]
    # Nobody logs in here: each stack writes its own pg_hba.conf and creates its own owner.
    argv += ["--locale=C.UTF-8", "--auth-local=reject", "--auth-host=reject"]
    argv += ["--data-checksums", "--no-sync", "--no-instructions"]
    done = rootfs.run("postgres", argv)
    if done.returncode != 0:
        raise StackError(f"initdb failed with exit code {done.returncode}:\n{done.stderr.strip()}")


def adopt_data(path: Path) -> None:
    """Move the data of root filesystems with other pins here, then remove those."""
    for other in ROOTFS_FOLDER.iterdir():
        if other == path or not other.is_dir() or other.name.endswith(".building"):
            continue
        for folder in (other / "data").glob("*"):
            target = path / "data" / folder.name
            if folder.name.startswith("test-"):
                continue
            if target.exists():
                raise StackError(f"{folder} and {target} both hold data: move one of them away")
            say(f"  moving the data of {other.name} to {path.name}")
            folder.rename(target)
        remove_tree(other)


def remove_tree(path: Path) -> None:
    """Remove a root filesystem. Refuses while something is mounted in it or runs in it."""
    if not path.exists():
        return
    for partition in psutil.disk_partitions(all=True):
        if partition.mountpoint.startswith(f"{path}/"):
            raise StackError(f"{partition.mountpoint} is mounted: run umount on it")
    for process in find_processes_below(path, "root"):
        raise StackError(f"process {process} still runs in {path}: end it first (make down)")
    shutil.rmtree(path)
