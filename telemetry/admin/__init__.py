"""The admin. Importing the modules registers them."""

from telemetry.admin import (
    accounts,
    closing,
    consumption,
    dead_letters,
    fleet,
    ledger,
    readings,
    schedule,
    storage,
    tasks,
)

__all__ = [
    "accounts",
    "closing",
    "consumption",
    "dead_letters",
    "fleet",
    "ledger",
    "readings",
    "schedule",
    "storage",
    "tasks",
]
