"""Every advisory lock of the database is made in one place."""

import re
from pathlib import Path

from telemetry.store.db.locks import Lock

ROOT = Path(__file__).parents[3]
CODE = ("config", "telemetry", "ingest_bridge", "workers", "compose")


def test_it_gives_every_lock_a_number_of_its_own() -> None:
    assert len({int(lock) for lock in Lock.__members__.values()}) == len(Lock.__members__)
    assert {"BEAT", "REFRESH", "VERIFY", "ALARMS"} <= set(Lock.__members__)


def test_it_knows_no_advisory_lock_outside_their_module() -> None:
    files = [
        path
        for folder in CODE
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sql")
    ]
    users = {
        str(path.relative_to(ROOT))
        for path in files
        if re.search(r"pg_(try_)?advisory_|0x_?7464", path.read_text(encoding="utf-8"))
    }
    assert users == {"telemetry/store/db/locks.py"}
