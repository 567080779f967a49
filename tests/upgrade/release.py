"""A release: its code in a folder, its processes, its commands."""

import json
import subprocess
from pathlib import Path
from typing import Any

from compose.local.layout import PYTHON, REPOSITORY, StackError
from compose.local.ports import HOST
from compose.local.stack.programs import ADDRESSES, limit_addresses
from tests.bench.rig import Rig, wait_until
from tests.bench.visitor import Visitor
from tests.chaos.supervised import Supervised

MIGRATE_TRIES = 4  # as often as Compose and the Job try

TRACEBACK = 3_000  # characters of one that are shown


class Release:
    """The code of a commit, or with `folder` what lies there."""

    def __init__(self, rig: Rig, name: str, *, folder: Path) -> None:
        self.name = name
        self._rig = rig
        self._folder = folder
        self.processes: list[Supervised] = []

    def start(self, script: str, **environ: str) -> Supervised:
        """A process by its start script."""
        own = dict(self._rig.environ)
        if (self._folder / "telemetry" / "sql" / "rights.sql").exists():  # else one role has all
            own = limit_addresses(own, script=script)
        environ = {**{each: own[each] for each in ADDRESSES}, **environ}
        argv = self._within(str(self._folder / "compose" / "start" / script))
        number = len(self.processes) + 1
        process = self._rig.launch(f"{self.name}-{script}-{number}", argv, **environ)
        self.processes.append(process)
        return process

    def start_web(self, port: int, *, session: str) -> Supervised:
        """A web process that serves."""
        web = self.start("web", WEB_BIND=f"{HOST}:{port}")
        visitor = Visitor(port, session=session)
        wait_until(
            lambda: visitor.get("/health").is_good,
            timeout_s=60,
            what=f"the web process of {self.name} serves\n{web.read_log()[-2000:]}",
        )
        return web

    def start_pool(self) -> Supervised:
        """A pool "ingest" that works."""
        pool = self.start("worker-ingest", INGEST_POOL=f"ingest-{self.name}")
        ready = f"the pool of {self.name} is ready"
        wait_until(lambda: " ready." in pool.read_log(), timeout_s=60, what=ready)
        return pool

    def start_bridge(self, client_id: str) -> Supervised:
        """A bridge that is subscribed."""
        bridge = self.start("bridge", BRIDGE_CLIENT_ID=client_id)
        connected = f"the bridge of {self.name} is connected"
        wait_until(lambda: "connected" in bridge.read_log(), timeout_s=60, what=connected)
        return bridge

    def manage(self, *arguments: str) -> str:
        """A command of `manage.py`; what it printed. Raises `StackError`."""
        return self._rig.run(self._within(str(PYTHON), "manage.py", *arguments))

    def migrate(self) -> int:
        """Migrate, and again when a migration met a deadlock, which has undone it; how often."""
        for number in range(1, MIGRATE_TRIES):
            try:
                self.manage("migrate", "--noinput", "--verbosity", "0")
            except StackError as error:
                if "deadlock detected" not in str(error):
                    raise
            else:
                return number
        self.manage("migrate", "--noinput", "--verbosity", "0")
        return MIGRATE_TRIES

    def enter_member(self) -> tuple[str, dict[str, Any]]:
        """The session of a new member of every account, and a device of one account."""
        argv = self._within(str(PYTHON), "-m", "tests.bench.ask", "members", "1")
        found = json.loads(self._rig.run(argv))
        [places, *_] = found["places"].values()
        return found["sessions"][0], places[0]

    def find_tracebacks(self) -> list[str]:
        """The first of each process that has logged one."""
        logs = {one.name: one.read_log().partition("Traceback") for one in self.processes}
        return [f"{name}: {found[:TRACEBACK]}" for name, (_, sign, found) in logs.items() if sign]

    def _within(self, *argv: str) -> list[str]:
        return ["env", "-C", str(self._folder), f"PYTHONPATH={self._folder}", *argv]


def check_out(commit: str, folder: Path) -> None:
    """Lay the files of a commit in a folder, as a release has them. Raises `StackError`."""
    folder.mkdir(parents=True)
    with subprocess.Popen(
        ["git", "archive", commit], cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as packed:
        subprocess.run(["tar", "-x", "-C", str(folder)], stdin=packed.stdout, check=False)
    if packed.returncode:
        raise StackError(f"git archive {commit}: exit code {packed.returncode}")
    texts = ["--domain", "django", "--directory", str(folder / "telemetry" / "locale")]
    subprocess.run([PYTHON.parent / "pybabel", "--quiet", "compile", *texts], check=True)
