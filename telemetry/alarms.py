"""What members do with alarms, on pages and through the API."""

from django.db.models.functions import Now

from telemetry.models import Alarm, User


def acknowledge(alarm: Alarm, *, user: User, note: str) -> bool:
    """Note who saw the alarm; whether this was the first. Of two who do at once one stands."""
    return bool(
        Alarm.objects.filter(pk=alarm.pk, acknowledged_at=None).update(
            acknowledged_by=user, acknowledged_at=Now(), changed_at=Now(), note=note
        )
    )
