"""The named queries under `telemetry/sql`."""

from functools import cache
from pathlib import Path
from typing import LiteralString

_FOLDER = Path(__file__).parents[2] / "sql"


@cache
def query(name: str) -> LiteralString:
    """The text of `telemetry/sql/<name>.sql`."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
