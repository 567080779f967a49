"""What the database of a run begins with: a fleet for each schedule, a quick safety net."""

from dataclasses import dataclass
from typing import Any

GATEWAYS = 20
READINGS = 3
REQUEUE_EVERY_S = 2


@dataclass(frozen=True)
class ScheduleFleet:
    """Who publishes in one schedule."""

    account_id: int
    fleet: Any  # of the simulator


def register_fleets(numbers: list[int]) -> dict[int, ScheduleFleet]:
    """A fleet of its own for each schedule: then a check costs the same after many others."""
    from telemetry.models import Account
    from telemetry.simulator.registration import register_fleet

    fleets = {}
    for place, number in enumerate(numbers):
        name = f"Schedule {number}"
        fleet = register_fleet(
            gateways_count=GATEWAYS,
            devices_count=READINGS,
            account_name=name,
            first=place * GATEWAYS,
        )
        fleets[number] = ScheduleFleet(Account.objects.get(name=name).pk, fleet)
    return fleets


def hurry_requeue() -> None:
    """Have the safety net look every two seconds: what it does is tested, and not its interval."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    from workers.schedule import ensure_schedule

    ensure_schedule()
    interval, _ = IntervalSchedule.objects.get_or_create(
        every=REQUEUE_EVERY_S, period=IntervalSchedule.SECONDS
    )
    task = PeriodicTask.objects.get(task="telemetry.requeue_stale_batches")
    task.interval = interval
    task.save()
