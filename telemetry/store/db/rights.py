"""What each database role may do, and the wall between accounts: `telemetry/sql/rights.sql`."""

from pathlib import Path
from typing import Any

from django.db import connections, transaction

FILE = Path(__file__).parents[2] / "sql" / "rights.sql"


def apply_rights(using: str) -> None:
    """Give every role its rights on the tables that there are. Repeatable.

    `using`: Django's name of the database.
    """
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.reading') IS NOT NULL")
        if cursor.fetchone()[0]:
            cursor.execute("SET LOCAL search_path = public")
            cursor.execute(FILE.read_text(encoding="utf-8"))


def apply_after_migrate(using: str, **_: Any) -> None:
    """The same, as a receiver of Django's signal."""
    apply_rights(using)
