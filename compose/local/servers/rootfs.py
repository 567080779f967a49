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
from typing import TextIO

from rich.markup import escape
from rich.status import Status

from compose.local.folderlock import hold_lock
from compose.local.layout import LOCAL, REPOSITORY, ROOTFS_FOLDER, StackError, UsageError
from compose.local.processes import find_processes_below
from compose.local.progress import OUT, read_tail, say
from compose.local.servers.broker import find_plugin, install_broker
from compose.local.servers.pins import Pins, check_versions, read_installed, read_pins

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
PHASES = ("", "Retrieving", "Extracting", "Unpacking", "Configuring")
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
    building = path.with_name(path.name + ".building")
    remove_tree(building)
    building.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    say(f"Installing {', '.join(name for name in pins.versions if name != 'tzdata')}")
    say(f"  from {pins.mirror} {pins.suite} into a private root filesystem (once, about a minute)")
    started = time.monotonic()
    run_debootstrap(pins, building)
    check_versions(pins.versions, read_installed(building))
    install_broker(pins, building)
    if find_plugin(building):
        check_versions(pins.broker_versions, read_installed(building))
    shutil.rmtree(building / "var/cache/apt", ignore_errors=True)
    shutil.rmtree(building / "var/lib/apt/lists", ignore_errors=True)
    shutil.rmtree(building / "var/lib/postgresql/17", ignore_errors=True)
    make_template(Rootfs(building))
    (building / "data").mkdir(mode=0o755)
    os.sync()
    building.rename(path)
    installed = read_installed(path)
    names = ", ".join(f"{name} {installed[name]}" for name in pins.versions if name != "tzdata")
    say(f"  installed in {time.monotonic() - started:.0f} s: {names}")


def run_debootstrap(pins: Pins, target: Path) -> None:
    """Run debootstrap so that it, its children and its mounts end with this process."""
    isolate = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"]
    isolate += ["--kill-child", "--mount-proc"]
    packages = ",".join(pins.versions)
    argv = ["debootstrap", "--variant=minbase", f"--include={packages}", pins.suite]
    if subprocess.run([*isolate, "true"], capture_output=True, check=False).returncode != 0:
        isolate = ["setpriv", "--pdeathsig", "KILL"]
    with (
        BUILD_LOG.open("w", encoding="utf-8") as log,
        OUT.status("Debian packages") as status,
        subprocess.Popen(
            [*isolate, *argv, str(target), pins.mirror],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        ) as process,
    ):
        try:
            report_lines(process, log, status)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise StackError(
            f"debootstrap failed with exit code {process.returncode}; is {pins.mirror} reachable? "
            f"DEBIAN_MIRROR moves it. Log: {BUILD_LOG}\n{read_tail(BUILD_LOG)}"
        )


def report_lines(process: subprocess.Popen[str], log: TextIO, status: Status) -> None:
    """Copy debootstrap's lines to the log, show the last one, and name its phases."""
    phase = 0
    for line in process.stdout or ():
        log.write(line)
        words = line.split()
        status.update(escape(" ".join(words[1:3])))
        found = PHASES.index(words[1]) if words[1:2] and words[1] in PHASES else 0
        if found > phase:
            phase = found
            say(f"  {words[1].lower()} packages")


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
        for folder in sorted((other / "data").glob("*")):
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
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    for line in mounts.splitlines():
        if line.split()[1].startswith(f"{path}/"):
            raise StackError(f"{line.split()[1]} is mounted: run umount {line.split()[1]}")
    for process in find_processes_below(path, "root"):
        raise StackError(f"process {process} still runs in {path}: end it first (make down)")
    shutil.rmtree(path)
