"""The admin. Importing the modules registers them."""

from telemetry.admin import (  # noqa: F401
    accounts,
    alarms,
    bands,
    certificates,
    closing,
    consumption,
    dead_letters,
    edits,
    enrolments,
    findings,
    fleet,
    installations,
    ledger,
    members,
    periodic_tasks,
    readings,
    retention,
    tasks,
    tokens,
    virtual_meters,
)
