"""`manage.py` in a fresh shell speaks to the local stack that lies beside it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forks

ROOT = forks.ROOT
STACK = {
    "DATABASE_URL": "postgres://tds:stack@127.0.0.1:1/stack",
    "REDIS_URL": "redis://:stack@127.0.0.1:1/0",
    "MQTT_HOST": "127.0.0.1",
    "SECRET_KEY": "s" * 60,
    "DEMO": "1",
    "WEB_HTTPS": "0",
}
TELL = (
    "import os; from django.conf import settings; "
    "print(settings.DATABASES['default']['NAME'], settings.OPTIONS.log.level, "
    "os.environ.get('MQTT_HOST'))"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which a stack ran."""
    shutil.copy(ROOT / "manage.py", tmp_path)
    for name in ("config", "telemetry", "workers", "compose"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".local").mkdir()
    lines = [f"{name}={value}\n" for name, value in STACK.items()]
    text = f"{''.join(lines)}export {' '.join(STACK)}\n"
    (tmp_path / ".local" / "stack.env").write_text(text, encoding="utf-8")
    return tmp_path


def run(checkout: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    settings = {"PATH": os.environ["PATH"], **environ}
    return forks.run(("manage.py", *arguments), settings, folder=checkout)


def tell(checkout: Path, **environ: str) -> str:
    done = run(checkout, "shell", "--no-imports", "-c", TELL, **environ)
    return done.stdout.strip() or done.stderr.strip()


def test_it_uses_the_stack_beside_it_in_a_fresh_shell(checkout: Path) -> None:
    argv = [sys.executable, "manage.py", "shell", "--no-imports", "-c", TELL]
    environ = {"PATH": os.environ["PATH"]}
    said = subprocess.run(argv, cwd=checkout, env=environ, check=True, capture_output=True).stdout
    assert said.decode().strip() == "stack info 127.0.0.1"
    assert tell(checkout, LOG_LEVEL="error") == "stack error 127.0.0.1", "what is given wins"


def test_it_mixes_no_given_server_with_those_of_the_stack(checkout: Path) -> None:
    given = {"DATABASE_URL": "postgres://u@127.0.0.1:1/mine"}
    assert tell(checkout, **given).startswith("error: REDIS_URL is not set")
    given |= {"REDIS_URL": "redis://127.0.0.1:1/0", "SECRET_KEY": "k" * 60}
    assert tell(checkout, **given) == "mine info None"
    secret = checkout / "secret"
    secret.write_text("postgres://u@127.0.0.1:1/mine", encoding="utf-8")
    assert tell(checkout, DATABASE_URL_FILE=str(secret)).startswith("error: REDIS_URL is not set")


def test_it_takes_an_empty_variable_as_not_given(checkout: Path) -> None:
    assert tell(checkout, SECRET_KEY="", REDIS_URL="", MQTT_HOST="") == "stack info 127.0.0.1"
    assert tell(checkout, DATABASE_URL_FILE="", SECRET_KEY_FILE="") == "stack info 127.0.0.1"


def test_it_reads_a_secret_from_its_file_before_the_stack(checkout: Path) -> None:
    secret = checkout / "secret"
    secret.write_text("f" * 60, encoding="utf-8")
    code = "from django.conf import settings; print(settings.SECRET_KEY)"
    done = run(checkout, "shell", "--no-imports", "-c", code, SECRET_KEY_FILE=str(secret))
    assert done.stdout.strip() == "f" * 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["verify_aggregates"], "error: DATABASE_URL: ", id="verify all"),
        pytest.param(
            ["verify_aggregates", "--account", "X"], "error: DATABASE_URL: ", id="verify one"
        ),
        pytest.param(["delivery_report"], "error: DATABASE_URL: ", id="report"),
    ],
)
def test_it_says_in_one_line_that_a_server_is_away_and_exits_with_2(
    checkout: Path, arguments: list[str], words: str
) -> None:
    done = run(checkout, *arguments)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(words)


def test_it_takes_nothing_from_the_stack_for_tests(checkout: Path) -> None:
    (checkout / "other.py").write_text(
        "import os; LOGGING_CONFIG = None; SECRET_KEY = 'x'; print(os.environ.get('REDIS_URL'))",
        encoding="utf-8",
    )
    done = run(checkout, "check", DJANGO_SETTINGS_MODULE="other")
    assert done.stdout.splitlines()[0] == "None"


def test_it_says_what_is_not_set_where_no_stack_ran(checkout: Path) -> None:
    (checkout / ".local" / "stack.env").unlink()
    (checkout / "compose").unlink()  # as in an image
    assert tell(checkout).startswith("error: ")
    assert "is not set" in tell(checkout)


def test_it_exits_as_its_page_says_when_the_stack_is_ill(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")  # compose.local status
    python.chmod(0o755)
    done = subprocess.run(["make", "status"], cwd=tmp_path, capture_output=True, check=False)
    row = next(
        line
        for line in (ROOT / "compose" / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `make status`")
    )
    assert f"exit code {done.returncode} " in row
