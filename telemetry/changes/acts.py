"""What somebody did that changed no field of the product's own, in the same list of changes."""

from typing import Any

from auditlog.context import auditlog_value
from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext_noop

TASK_SENT = gettext_noop("run by hand")
LOCK_LIFTED = gettext_noop("lock of sign-ins lifted, failures")


def change_as(user: Any) -> None:
    """Let what this request changes be recorded as the user's, whom a token names: the middleware
    knows only who signed in."""
    auditlog_value.get({})["actor"] = user


def record_act(
    thing: Any, *, act: str, user: Any, name: str = "", before: str = "", after: str = ""
) -> None:
    """Enter it: on what (`name`: what it is called, where that is not its text), what, who, and
    from what to what. `act`: one of the texts above."""
    LogEntry.objects.log_create(
        thing,
        content_type=ContentType.objects.get_for_model(thing, for_concrete_model=False),
        action=LogEntry.Action.UPDATE,
        actor=user,
        changes={act: [before, after]},
        **({"object_repr": name} if name else {}),
    )
