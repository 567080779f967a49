"""Docker Compose on an engine: Docker, or Podman with stand-ins for the registry's images.

Podman runs images whose base is made of Debian's packages, so a machine that reaches no registry
can run the whole file. Without systemd nobody runs its health checks; `Podman` does.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, STDOUT, CompletedProcess
from threading import Event, Thread

import yaml

from compose.local.layout import REPOSITORY
from compose.local.servers.rootfs import ensure_rootfs

HERE = Path(__file__).parent
COMPOSE = REPOSITORY / "compose"
PROJECT = "tds-test"
PRODUCT_IMAGE, BROKER_IMAGE = "tds-telemetry:0.1.0", "tds-mosquitto:2.1"
SERVERS = "localhost/tds-stand-in-servers"
CERTIFICATES = "/etc/ssl/certs"
HEALTH_EVERY_S = 2.0
HEALTHY_EVERY_S = 20.0
DEBIAN_13 = """
FROM {servers}
RUN rm -f /etc/apt/sources.list.d/* /etc/apt/preferences.d/* \\
    && apt-get -q update && apt-get -q -y install --no-install-recommends python3 python3-venv \\
    && ln -s /usr/bin/python3 /usr/local/bin/python
"""
# The list of a suite that moves on may be older than it says it is valid.
DEBIAN_TESTING = """
FROM {servers}
RUN echo 'Acquire::Check-Valid-Until false;' > /etc/apt/apt.conf.d/90-old-lists
"""


class ContainerError(Exception):
    """What stopped the run, in words for the person who started it."""


class Docker:
    """The engine that `docker` speaks to, with the images that the files name."""

    name = "docker"
    files: tuple[Path, ...] = (COMPOSE / "compose.yaml",)

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self.environ = {**os.environ, **environ, "COMPOSE_PROJECT_NAME": PROJECT}
        self.log = log

    def build(self) -> None:
        """Build the images of the product and of the broker."""
        self.compose("build", timeout_s=1200)

    def compose(self, *arguments: str, timeout_s: float = 300, text: str = "") -> str:
        """Run a command of Docker Compose; its output. Raises `ContainerError` when it fails."""
        files = [part for path in self.files for part in ("--file", str(path))]
        return self.run("docker", "compose", *files, *arguments, timeout_s=timeout_s, text=text)

    def run(self, *argv: str, timeout_s: float = 300, text: str = "") -> str:
        """Run a command; its output, which the log gets as well."""
        done = self._run(argv, timeout_s=timeout_s, text=text)
        if done.returncode != 0:
            tail = "\n".join(done.stdout.splitlines()[-20:])
            raise ContainerError(f"{' '.join(argv)}: exit code {done.returncode}\n{tail}")
        return done.stdout

    def list_containers(self, service: str) -> list[str]:
        """Ids of the running containers of a service."""
        return self.compose("ps", "--quiet", service).split()

    def kill(self, container: str) -> None:
        """SIGKILL its first process, as the kernel does when memory runs out: the engine starts it
        again, which it does not after `docker kill`."""
        pid = self.run("docker", "inspect", "--format", "{{.State.Pid}}", container).strip()
        with suppress(ProcessLookupError):
            os.kill(int(pid), 9)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The engine, as long as the block runs; afterwards containers and volumes are gone."""
        try:
            yield
        finally:
            with suppress(ContainerError):
                self.compose("--profile", "*", "down", "--volumes", "--timeout", "5")

    def _run(self, argv: Sequence[str], *, timeout_s: float, text: str) -> CompletedProcess[str]:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(argv)}\n")
            try:
                done = subprocess.run(
                    argv,
                    env=self.environ,
                    input=text,
                    stdout=PIPE,
                    stderr=STDOUT,
                    text=True,
                    timeout=timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise ContainerError(f"{' '.join(argv)}: not within {timeout_s:g} s") from error
            log.write(done.stdout)
        return done


class Podman(Docker):
    """Podman, by the socket that speaks Docker's language, with stand-ins for the images."""

    name = "podman"
    files: tuple[Path, ...] = (COMPOSE / "compose.yaml", HERE / "stand-ins.yaml")

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tds-containers-"))
        socket = f"unix://{self._folder}/podman.sock"
        limits = self._folder / "containers.conf"
        limits.write_text(
            '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n',
            encoding="utf-8",
        )
        # Without systemd a health check cannot be a timer of its.
        super().__init__(
            {
                **environ,
                "DOCKER_HOST": socket,
                "CONTAINERS_CONF": str(limits),
                "DISABLE_HC_SYSTEMD": "true",
            },
            log,
        )
        self._socket = socket
        # Podman 4.3 knows no start_interval.
        without = self._folder / "health.yaml"
        services = yaml.safe_load(self.files[0].read_text(encoding="utf-8"))["services"]
        without.write_text(
            "services:\n"
            + "".join(
                f"  {name}: {{healthcheck: {{start_interval: !reset null}}}}\n"
                for name, service in services.items()
                if "start_interval" in service.get("healthcheck", {})
            ),
            encoding="utf-8",
        )
        self.files = (*self.files, without)

    def build(self) -> None:
        """Make the stand-ins of Debian's packages, then the two images on top of them."""
        root = ensure_rootfs().path
        self.run(
            *("sh", "-c", 'tar -C "$0" --exclude=./data -c . | podman import -q - "$1"'),
            *(str(root), SERVERS),
        )
        # ensure_rootfs starts servers in the folder; none of their data is in the image.
        self._build("localhost/tds-stand-in-python", DEBIAN_13.format(servers=SERVERS))
        self._build("localhost/tds-stand-in-debian", DEBIAN_TESTING.format(servers=SERVERS))
        for name in ("redis", "timescaledb"):
            self._build(
                f"localhost/tds-stand-in-{name}",
                (HERE / f"{name}.Dockerfile").read_text(encoding="utf-8"),
                "--build-arg",
                f"SERVERS={SERVERS}",
                context=HERE,
            )
        self._build(
            BROKER_IMAGE,
            (COMPOSE / "containers" / "mosquitto.Dockerfile").read_text(encoding="utf-8"),
            *("--build-arg", "BROKER_IMAGE=localhost/tds-stand-in-debian"),
            context=COMPOSE,
        )
        self._build(
            PRODUCT_IMAGE,
            (COMPOSE / "Dockerfile").read_text(encoding="utf-8"),
            *("--build-arg", "PYTHON_IMAGE=localhost/tds-stand-in-python"),
            # pip must trust whom this machine trusts.
            *("--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"),
            context=REPOSITORY,
        )

    def list_containers(self, service: str) -> list[str]:
        """Ids of the running containers of a service."""
        filters = [
            f"label=com.docker.compose.{key}={value}" for key, value in self._labels(service)
        ]
        return self.run("podman", "ps", "-q", *(f"--filter={each}" for each in filters)).split()

    @contextmanager
    def running(self) -> Iterator[None]:
        """The socket and the health checks, as long as the block runs."""
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", self._socket],
            env=self.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ended = Event()
        health = Thread(target=self._check_health, args=(ended,))
        try:
            _wait_for(Path(self._socket.removeprefix("unix://")))
            health.start()
            with super().running():
                yield
        finally:
            ended.set()
            if health.is_alive():
                health.join()
            service.terminate()
            service.wait()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _labels(self, service: str) -> list[tuple[str, str]]:
        return [("project", PROJECT), ("service", service)]

    def _build(self, tag: str, text: str, *arguments: str, context: Path | None = None) -> None:
        self.run(
            *("podman", "build", "--network", "host", "--tag", tag, "--file", "-"),
            *arguments,
            str(context or self._folder),
            timeout_s=1200,
            text=text,
        )

    def _check_health(self, ended: Event) -> None:
        """Run each container's check, as timers do elsewhere: soon while it starts, else seldom."""
        label = f"label=com.docker.compose.project={PROJECT}"
        listing = ["podman", "ps", "--filter", label, "--format", "{{.ID}} {{.Status}}"]
        checked_at: dict[str, float] = {}
        while not ended.wait(HEALTH_EVERY_S):
            listed = subprocess.run(
                listing, env=self.environ, capture_output=True, text=True, check=False
            )
            for container, status in (line.split(" ", 1) for line in listed.stdout.splitlines()):
                is_due = time.monotonic() > checked_at.get(container, 0) + HEALTHY_EVERY_S
                if ended.is_set() or ("(healthy)" in status and not is_due):
                    continue
                checked_at[container] = time.monotonic()
                subprocess.run(
                    ["podman", "healthcheck", "run", container],
                    env=self.environ,
                    capture_output=True,
                    check=False,
                )


def choose_engine(environ: dict[str, str], log: Path) -> Docker:
    """Docker where one answers, else Podman. Raises `ContainerError` without any."""
    if shutil.which("docker") is None or _fails("docker", "compose", "version"):
        raise ContainerError(
            "docker compose is missing: expected Docker's client with Compose 2.24 or later "
            "(on Debian 13: apt-get install docker-cli docker-compose)"
        )
    if not _fails("docker", "version"):
        return Docker(environ, log)
    needed = ("podman", "runc", "catatonit", "iptables")
    missing = [name for name in needed if not _find(name)]
    if missing:
        raise ContainerError(
            f"no Docker engine answers, and for Podman there is no {', '.join(missing)} "
            "(on Debian: apt-get install podman runc netavark aardvark-dns catatonit iptables)"
        )
    return Podman(environ, log)


def _find(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/libexec/podman")


def _fails(*argv: str) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode != 0


def _wait_for(path: Path) -> None:
    give_up_at = time.monotonic() + 20
    while not path.exists():
        if time.monotonic() > give_up_at:
            raise ContainerError("podman system service does not start")
        time.sleep(0.1)
