"""The file that other tools read the stack's addresses and passwords from."""

import json
import subprocess
from pathlib import Path

import pytest

from compose.local.layout import StackError
from compose.local.stack.request import EXTERNAL_SERVERS, read_request
from compose.local.stack.settings import (
    OPERATORS_CHOICE,
    build_values,
    load_secrets,
    read_stack_env,
    write_stack_env,
)

VALUES = {
    "DATABASE_URL": "postgres://tds:ab12@127.0.0.1:5433/tds",
    "REDIS_URL": "redis://:cd34@127.0.0.1:6380/0",
    "ALLOWED_HOSTS": "127.0.0.1,localhost",
}


def test_it_gives_a_shell_and_a_line_parser_the_same_values_when_written(tmp_path: Path) -> None:
    path = tmp_path / "stack.env"
    write_stack_env(path, VALUES)

    script = f". {path}; exec env"
    shell = subprocess.run(
        ["sh", "-c", script], env={}, capture_output=True, text=True, check=True
    ).stdout

    assert read_stack_env(path) == VALUES
    assert set(shell.splitlines()) >= {f"{name}={value}" for name, value in VALUES.items()}


def test_it_is_closed_to_others_when_written(tmp_path: Path) -> None:
    path = tmp_path / "stack.env"
    write_stack_env(path, VALUES)

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("value", ["a b", "a'b", 'a"b', "$(id)", "a;b", "a\nb", "`id`"])
def test_it_refuses_a_value_when_a_shell_would_read_it_otherwise(
    tmp_path: Path,
    value: str,
) -> None:
    with pytest.raises(StackError, match=r"^REDIS_URL holds a character"):
        write_stack_env(tmp_path / "stack.env", {"REDIS_URL": value})

    assert not (tmp_path / "stack.env").exists()


def test_it_reads_nothing_when_no_stack_ran(tmp_path: Path) -> None:
    assert read_stack_env(tmp_path / "stack.env") == {}


def test_it_keeps_the_secrets_when_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"

    first = load_secrets(path)

    assert load_secrets(path) == first
    assert len(set(first.values())) == len(first)
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_adds_a_secret_when_an_older_file_lacks_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"admin": "known"}), encoding="utf-8")

    kept = load_secrets(path)

    assert kept["admin"] == "known"
    assert len(kept["secret_key"]) == 64


def test_it_says_what_to_do_when_the_secrets_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text("{", encoding="utf-8")

    with pytest.raises(StackError, match="make clean"):
        load_secrets(path)


@pytest.mark.parametrize(
    ("environ", "has_member"),
    [
        pytest.param({}, True, id="demo fleet"),
        pytest.param({"FLEET_FILE": ""}, False, id="no fleet"),
        pytest.param({"FLEET_FILE": "mine.json"}, False, id="fleet of one's own"),
    ],
)
def test_it_has_a_value_for_all_and_a_member_for_the_demo_fleet_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], has_member: bool
) -> None:
    for name in (*OPERATORS_CHOICE, "FLEET_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    servers = {name: "127.0.0.1" for names in EXTERNAL_SERVERS.values() for name in names}
    kept = load_secrets(tmp_path / "secrets.json")

    values = build_values(read_request({}, own={}), kept, servers)
    write_stack_env(tmp_path / "stack.env", values)

    assert all(values.values())
    assert ("MEMBER_PASSWORD" in values) == has_member


def test_it_leaves_no_half_file_when_it_replaces_one(tmp_path: Path) -> None:
    path = tmp_path / "stack.env"
    write_stack_env(path, VALUES)
    write_stack_env(path, VALUES)

    assert list(tmp_path.iterdir()) == [path]
