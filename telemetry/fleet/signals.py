"""What follows a change of the fleet: what waited for it is sent again."""

from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from config.celery import app
from telemetry.core.batch import MAINTENANCE_QUEUE, REPLAY_WAITING_TASK
from telemetry.models import Account, Device, Gateway


@receiver(post_save, sender=Gateway)
@receiver(post_save, sender=Device)
@receiver(post_save, sender=Account)
def replay_what_waited(**_: Any) -> None:
    """Ask for the replay once the change is committed."""
    transaction.on_commit(request_replay, robust=True)


def request_replay() -> None:
    """Ask the maintenance pool to send again what waited. Beat asks within a minute anyway."""
    with suppress(OperationalError):  # Redis is away: beat's schedule covers it
        app.send_task(REPLAY_WAITING_TASK, queue=MAINTENANCE_QUEUE, retry=False)
