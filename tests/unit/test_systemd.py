"""compose/systemd: the units of a plain Debian."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config.env import list_settings
from config.options import ALL_OPTIONS

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "compose" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
# Start scripts of the local stack alone: what they do is done by hand, once.
NOT_UNITS = {"prepare", "simulate", "demo-history"}
# What the start scripts and Python itself read.
OTHER_VARIABLES = {
    *("PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER"),
    *("FLOWER_ADDRESS", "FLOWER_DB", "INGEST_POOL", "MAINTENANCE_POOL"),
    *("ENROLMENT_CERT_FILE", "ENROLMENT_KEY_FILE"),
}
WORST_EXPOSURE = 1.5
OF_SYSTEMD = ("sysinit.target", "basic.target", "shutdown.target", "network-online.target")

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host with the units and the commands that they start."""
    host = tmp_path_factory.mktemp("host")
    shutil.copytree(UNITS, host / "etc" / "systemd" / "system")
    shutil.copytree(ROOT / "compose" / "start", host / "opt" / "tds" / "compose" / "start")
    for name in OF_SYSTEMD:
        (host / "etc" / "systemd" / "system" / name).write_text("[Unit]\n", encoding="utf-8")
    python = host / "opt" / "tds" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch(mode=0o755)
    return host


def name_instance(path: Path) -> str:
    return path.name.replace("@.", "@1.")


def test_a_unit_runs_every_process() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SERVICES)
    started = set(re.findall(r"ExecStart=/opt/tds/compose/start/(\S+)", text))
    scripts = {path.name for path in (ROOT / "compose" / "start").iterdir()}
    assert started == scripts - NOT_UNITS


def test_units_set_only_variables_that_something_reads() -> None:
    known = {described.name for options in ALL_OPTIONS for described, *_ in list_settings(options)}
    for path in (path for path in UNITS.rglob("*") if path.is_file()):
        lines = re.findall(r"^Environment=(.*)", path.read_text(encoding="utf-8"), re.MULTILINE)
        names = {word.partition("=")[0] for line in lines for word in line.split()}
        assert names <= known | OTHER_VARIABLES, path.name


@needs_systemd
def test_systemd_finds_no_fault(installed: Path) -> None:
    names = [name_instance(path) for path in SERVICES]
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={installed}", "--man=no", *names, "tds.target"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_unit_has_no_more_rights_than_it_needs(installed: Path, path: Path) -> None:
    argv = ["systemd-analyze", "security", "--offline=true", f"--root={installed}"]
    done = subprocess.run([*argv, name_instance(path)], capture_output=True, text=True, check=True)
    [exposure] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(exposure) <= WORST_EXPOSURE, done.stdout
