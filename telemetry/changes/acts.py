"""What somebody did that changed no field of the product's own, in the same list of changes."""

from typing import Any

from auditlog.models import LogEntry
from django.utils.translation import gettext_noop

TASK_SENT = gettext_noop("run by hand")
LOCK_LIFTED = gettext_noop("lock of sign-ins lifted, failures")


def record_act(thing: Any, *, act: str, user: Any, before: str = "", after: str = "") -> None:
    """Enter it: on what, what, who, and from what to what. `act`: one of the texts above."""
    LogEntry.objects.log_create(
        thing,
        action=LogEntry.Action.UPDATE,
        actor=user,
        changes={act: [before, after]},
    )
