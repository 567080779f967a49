"""All of Python's time zones come from the pinned package."""

import os
import subprocess
import sys
import zoneinfo
from pathlib import Path

import pytest
import tzdata

ROOT = Path(__file__).parents[2]
LOOK = (
    "import sys, zoneinfo; from zoneinfo import ZoneInfo; early = ZoneInfo('America/Vancouver'); "
    "{imports}; from datetime import datetime; "
    "print(zoneinfo.TZPATH, datetime(2026, 12, 1, tzinfo=ZoneInfo('America/Vancouver')).tzname())"
)
GOOD = {
    "SECRET_KEY": "k" * 60,
    "DEMO": "1",
    "DATABASE_URL": "postgres://u@127.0.0.1:1/x",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "DJANGO_SETTINGS_MODULE": "config.settings",
}


@pytest.mark.parametrize(
    "imports",
    [
        "import config.wsgi",
        "import config.celery, django; django.setup(); import workers.maintenance, workers.beat",
        "import config.ingest, workers.ingest",
        "import ingest_bridge.__main__",
        "import django; django.setup()",
        "import config.env",
    ],
)
def test_it_takes_no_zone_of_the_machine_in_any_process(imports: str, tmp_path: Path) -> None:
    # A machine that was not brought up to date.
    old = tmp_path / "America" / "Vancouver"
    old.parent.mkdir()
    data = Path(tzdata.__file__).parent / "zoneinfo" / "America" / "Los_Angeles"
    old.write_bytes(data.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(imports=imports)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **GOOD, "PYTHONTZPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "() MST", done.stderr


def test_it_does_so_in_tests() -> None:
    assert zoneinfo.TZPATH == ()


def test_it_pins_the_zones_itself() -> None:
    wanted = (ROOT / "requirements" / "base.in").read_text(encoding="utf-8").splitlines()
    assert f"tzdata=={tzdata.__version__}" in {line.split("#")[0].strip() for line in wanted}
