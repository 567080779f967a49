"""The schedule that a new system starts with. Later changes are made in the admin and stay."""

from dataclasses import dataclass

from django_celery_beat.models import IntervalSchedule, PeriodicTask

from telemetry.core.batch import MAINTENANCE_QUEUE, REPLAY_WAITING_TASK


@dataclass(frozen=True)
class ScheduledTask:
    """A task that beat sends every so many seconds."""

    name: str
    task: str
    every_s: int
    description: str


SCHEDULE = (
    ScheduledTask(
        "Requeue stale batches",
        "telemetry.requeue_stale_batches",
        10,
        "Sends again every pending batch that has no task any more.",
    ),
    ScheduledTask(
        "Mark offline gateways",
        "telemetry.mark_offline_gateways",
        10,
        "Sets gateways offline that are silent for longer than their interval.",
    ),
    ScheduledTask(
        "Refresh aggregates",
        "telemetry.refresh_aggregates",
        60,
        "Recomputes the hours, days and months that changed.",
    ),
    ScheduledTask(
        "Replay what waited",
        REPLAY_WAITING_TASK,
        60,
        "Sends dead letters again whose gateway or device is registered by now.",
    ),
    ScheduledTask(
        "Purge ledger",
        "telemetry.purge_ledger",
        86_400,
        "Folds old ledger rows into daily sums.",
    ),
)


def ensure_schedule() -> int:
    """Create the entries that are missing; how many. What stands is never changed."""
    created_count = 0
    for entry in SCHEDULE:
        interval, _ = IntervalSchedule.objects.get_or_create(
            every=entry.every_s, period=IntervalSchedule.SECONDS
        )
        _, is_created = PeriodicTask.objects.get_or_create(
            name=entry.name,
            defaults={
                "task": entry.task,
                "interval": interval,
                "queue": MAINTENANCE_QUEUE,
                "description": entry.description,
                # A task that nobody took within its interval is overtaken by the next.
                "expire_seconds": max(entry.every_s * 2, 60),
            },
        )
        created_count += is_created
    return created_count
