"""The admin. Importing the modules registers them."""

from telemetry.admin import (  # noqa: F401
    accounts,
    alarms,
    closing,
    consumption,
    dead_letters,
    edits,
    findings,
    fleet,
    ledger,
    members,
    periodic_tasks,
    readings,
    retention,
    tasks,
    tokens,
)
