"""Which models' changes are recorded, and which of their fields never are.

What is recorded by itself (edits, closings, decisions about dead letters, members, meters)
is not recorded twice; nor is what workers write, which nobody decided.
"""

from typing import Any

from auditlog.registry import auditlog
from django.contrib.auth.models import Group

from telemetry import models

TRACKED: tuple[tuple[Any, dict[str, Any]], ...] = (
    (models.Account, {"exclude_fields": ["earlier_billing_days"]}),
    (models.Gateway, {"exclude_fields": ["is_online", "last_seen"]}),
    (models.Device, {}),
    (models.Membership, {}),
    (
        models.User,
        {
            "exclude_fields": ["password", "last_login"],
            "m2m_fields": {"groups", "user_permissions"},
        },
    ),
    (Group, {"m2m_fields": {"permissions"}}),
    (
        models.AlarmRule,
        {
            "exclude_fields": ["evaluated_at", "created_at"],
            "m2m_fields": {"recipients", "escalate_to"},
        },
    ),
    (models.Webhook, {"exclude_fields": ["secret"]}),
    (models.BandPeriod, {}),
    (models.Holiday, {}),
    (models.VirtualMeter, {}),
    (models.ReportSchedule, {}),
    (models.Identity, {}),
)


def track() -> None:
    """Record the changes from now on. Repeatable."""
    for model, options in TRACKED:
        if not auditlog.contains(model):
            auditlog.register(model, **options)
