"""The schedule that a new system starts with. Later changes are made in the admin and stay.

Names and descriptions are stored in English; the admin shows them in the language of its reader.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from telemetry.core.batch import (
    APPLY_RETENTION_TASK,
    CHECK_CERTIFICATES_TASK,
    COMPARE_ZONES_TASK,
    DELIVER_ALARMS_TASK,
    EVALUATE_ALARMS_TASK,
    EVALUATE_FINDINGS_TASK,
    EVALUATE_RULES_TASK,
    MAINTENANCE_QUEUE,
    MARK_OFFLINE_TASK,
    PURGE_LEDGER_TASK,
    REFRESH_TASK,
    REPLAY_WAITING_TASK,
    REQUEUE_TASK,
    SEND_REPORTS_TASK,
    SUMMARISE_TASK,
    VERIFY_TASK,
)
from telemetry.models import TaskRun

DAY_S = 86_400


@dataclass(frozen=True)
class Every:
    """Every so many seconds."""

    seconds: int

    def ensure(self) -> dict[str, Any]:
        """The row of this schedule, as a field of `PeriodicTask`."""
        interval, _created = IntervalSchedule.objects.get_or_create(
            every=self.seconds, period=IntervalSchedule.SECONDS
        )
        return {"interval": interval}


@dataclass(frozen=True)
class Daily:
    """Every day at a time of the clock, in UTC."""

    hour: int
    minute: int
    seconds: int = DAY_S

    def ensure(self) -> dict[str, Any]:
        """The row of this schedule, as a field of `PeriodicTask`."""
        at = {"hour": str(self.hour), "minute": str(self.minute), "timezone": "UTC"}
        crontab = CrontabSchedule.objects.filter(
            day_of_month="*", month_of_year="*", day_of_week="*", **at
        ).first()
        return {"crontab": crontab or CrontabSchedule.objects.create(**at)}


@dataclass(frozen=True)
class ScheduledTask:
    """A task that beat sends, and when."""

    name: str
    task: str
    at: Every | Daily
    description: str


SCHEDULE = (
    ScheduledTask(
        _("Requeue stale batches"),
        REQUEUE_TASK,
        Every(10),
        _("Offers every pending batch again that waits in no list and that no worker holds."),
    ),
    ScheduledTask(
        _("Mark offline gateways"),
        MARK_OFFLINE_TASK,
        Every(10),
        _(
            "Sets gateways offline that sent nothing for their `offline after (s)`, or the "
            "setting's."
        ),
    ),
    ScheduledTask(
        _("Evaluate alarms"),
        EVALUATE_ALARMS_TASK,
        Every(15),
        _("Opens and closes alarms of devices whose readings are beyond their limits."),
    ),
    ScheduledTask(
        _("Evaluate alarm rules"),
        EVALUATE_RULES_TASK,
        Every(15),
        _("Raises and clears the alarms of rules that members and administrators made."),
    ),
    ScheduledTask(
        _("Deliver alarms"),
        DELIVER_ALARMS_TASK,
        Every(15),
        _("Sends e-mails and calls webhooks about alarms; what fails is tried again."),
    ),
    ScheduledTask(
        _("Check certificates"),
        CHECK_CERTIFICATES_TASK,
        Every(30),
        _("Signs what was approved, lists revoked certificates for the broker, warns of an end."),
    ),
    ScheduledTask(
        _("Refresh aggregates"),
        REFRESH_TASK,
        Every(60),
        _("Recomputes the hours, days and months that changed."),
    ),
    ScheduledTask(
        _("Evaluate findings"),
        EVALUATE_FINDINGS_TASK,
        Every(300),
        _(
            "Finds what somebody should decide: silent and stuck devices, old clocks, late "
            "readings."
        ),
    ),
    ScheduledTask(
        _("Replay what waited"),
        REPLAY_WAITING_TASK,
        Every(60),
        _("Sends dead letters again whose gateway or device is registered by now."),
    ),
    ScheduledTask(
        _("Purge ledger"),
        PURGE_LEDGER_TASK,
        Every(DAY_S),
        _("Folds old ledger rows into daily sums, and forgets old runs of tasks."),
    ),
    ScheduledTask(
        _("Apply retention"),
        APPLY_RETENTION_TASK,
        Daily(2, 30),
        _(
            "Drops readings and aggregates that are too old, and compresses old ones, as "
            "configured."
        ),
    ),
    ScheduledTask(
        _("Summarise the pipeline"),
        SUMMARISE_TASK,
        Every(60),
        _("Adds up what the admin's home and its dead letters show."),
    ),
    ScheduledTask(
        _("Send reports"),
        SEND_REPORTS_TASK,
        Every(900),
        _("Sends the reports of billing months that are over to those who asked for them."),
    ),
    ScheduledTask(
        _("Compare time zones"),
        COMPARE_ZONES_TASK,
        Daily(3, 15),
        _("Compares the offsets of all accounts' time zones with the database's."),
    ),
    ScheduledTask(
        _("Verify aggregates"),
        VERIFY_TASK,
        Daily(3, 30),
        _("Computes hours, days and months again from raw readings, and reports what differs."),
    ),
)


def reset_future_runs(*, now: datetime) -> list[str]:
    """Set runs that lie in the future, since a clock jumped, to now; the entries that had them.

    Beat would wait for the interval after them, and nothing would seem to be overdue.
    """
    entries = PeriodicTask.objects.filter(last_run_at__gt=now)
    names = list(entries.order_by("name").values_list("name", flat=True))
    entries.update(last_run_at=now)
    for field in ("created_at", "success_at", "error_at"):
        TaskRun.objects.filter(**{f"{field}__gt": now}).update(**{field: now})
    return names


def ensure_schedule() -> int:
    """Create the entries that are missing; how many. Existing ones are never changed."""
    created_count = 0
    for entry in SCHEDULE:
        TaskRun.objects.get_or_create(name=entry.task)
        if PeriodicTask.objects.filter(name=entry.name).exists():
            continue
        PeriodicTask.objects.create(
            name=entry.name,
            task=entry.task,
            queue=MAINTENANCE_QUEUE,
            description=entry.description,
            # A task that nobody received within its interval is obsolete: the next one follows.
            expire_seconds=max(entry.at.seconds * 2, 60),
            **entry.at.ensure(),
        )
        created_count += 1
    return created_count
