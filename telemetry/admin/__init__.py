"""The admin. Importing the modules registers them."""

from telemetry.admin import (
    accounts,
    alarms,
    closing,
    consumption,
    dead_letters,
    fleet,
    ledger,
    members,
    periodic_tasks,
    readings,
    retention,
    tasks,
)

__all__ = [
    "accounts",
    "alarms",
    "closing",
    "consumption",
    "dead_letters",
    "fleet",
    "ledger",
    "members",
    "periodic_tasks",
    "readings",
    "retention",
    "tasks",
]
