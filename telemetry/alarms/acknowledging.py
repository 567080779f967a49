"""Acknowledge an alarm, and withdraw that: for pages and API."""

from django.db.models.functions import Now

from telemetry.models import Alarm, User


def acknowledge(alarm: Alarm, *, user: User, note: str) -> bool:
    """Record who acknowledged the alarm; false when somebody else did before."""
    return bool(
        Alarm.objects.filter(pk=alarm.pk, acknowledged_at=None).update(
            acknowledged_by=user, acknowledged_at=Now(), changed_at=Now(), note=note
        )
    )


def withdraw(alarm: Alarm) -> None:
    """Withdraw an acknowledgment, with its note. Repeating it changes nothing."""
    Alarm.objects.filter(pk=alarm.pk, acknowledged_at__isnull=False).update(
        acknowledged_by=None, acknowledged_at=None, changed_at=Now(), note=""
    )
