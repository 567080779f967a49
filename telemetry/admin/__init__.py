"""The admin. Importing the modules registers them."""

from telemetry.admin import (  # noqa: F401
    accounts,
    alarms,
    assignments,
    bands,
    certificates,
    changes,
    closing,
    consumption,
    dead_letters,
    edits,
    enrolments,
    findings,
    fleet,
    installations,
    ledger,
    lists,
    members,
    periodic_tasks,
    readings,
    retention,
    signin_locks,
    tasks,
    tokens,
    virtual_meters,
)
from telemetry.admin.home import page  # noqa: F401
from telemetry.admin.schedules import page as schedules_page  # noqa: F401
from telemetry.admin.workbench import groups  # noqa: F401
