"""What needs translations compiled and gettext installed, as `make test` does."""

import shutil
import subprocess
from pathlib import Path

import pytest
from django.utils.translation import gettext, override

from tests.unit.test_messages import ROOT, TEXT, read


def test_it_shows_every_translation() -> None:
    with override("pt-br"):
        shown = {
            message.id: (gettext(message.id), str(message.string))
            for message in read(ROOT / TEXT)
            if isinstance(message.id, str) and message.id and not message.context
        }
    # Compiled by the installation; where another package says otherwise, theirs would be shown.
    assert [text for text, (said, ours) in shown.items() if said != ours] == []


def test_it_knows_every_text_of_the_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("xgettext") is None:
        pytest.fail("xgettext is not installed: make test installs it (Debian, as root: gettext)")
    for name in ("manage.py", "config", "telemetry", "workers", "ingest_bridge"):
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.mo")
            shutil.copytree(source, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(source, tmp_path / name)
    (tmp_path / TEXT).unlink()
    python = ROOT / ".venv/bin/python"
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "SECRET_KEY": "x" * 40,
        "DATABASE_URL": "postgres://none/none", "REDIS_URL": "redis://none",
    }  # fmt: skip
    subprocess.run(
        [python, "manage.py", "makemessages", "--locale", "pt_BR", "--verbosity", "0"],
        check=True, cwd=tmp_path, env=environ,
    )  # fmt: skip
    known = {str(message.id) for message in read(ROOT / TEXT)}
    found = {str(message.id) for message in read(tmp_path / TEXT)}
    assert found - known == set(), "run: make messages, and translate"
    assert known - found == set(), "texts that are gone: make messages"
