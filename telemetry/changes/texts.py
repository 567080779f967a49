"""A recorded change in words."""

from typing import Any

from auditlog.models import LogEntry
from django.db.models import BooleanField
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from msgspec import Struct

ACTIONS = {
    LogEntry.Action.CREATE: gettext_lazy("created"),
    LogEntry.Action.UPDATE: gettext_lazy("changed"),
    LogEntry.Action.DELETE: gettext_lazy("deleted"),
}
SHOWN_CHARACTERS = 60
NOTHING = "\u2013"


class FieldChange(Struct, frozen=True):
    """A field, from what to what."""

    name: str
    before: str
    after: str


def list_fields(entry: LogEntry) -> list[FieldChange]:
    """The fields that changed, by their names for people. Of a new object only what was given."""
    found = [
        _read_field(entry, name, change) for name, change in (entry.changes_dict or {}).items()
    ]
    is_new = entry.action == LogEntry.Action.CREATE
    return [one for one in found if not is_new or (one.after != NOTHING and one.name != "ID")]


def name_actor(entry: LogEntry) -> str:
    """Who did it; what a command or a task did, the system did."""
    actor: Any = entry.actor
    if actor is not None:
        return str(actor.get_full_name() or actor.get_username())
    return entry.actor_email or _("the system")


def name_action(entry: LogEntry) -> str:
    """Whether something was made, changed or deleted."""
    return str(ACTIONS.get(entry.action, entry.get_action_display()))


def _read_field(entry: LogEntry, name: str, change: Any) -> FieldChange:
    model = entry.content_type.model_class()
    fields = {field.name: field for field in model._meta.get_fields()} if model else {}
    shown = str(getattr(fields.get(name), "verbose_name", _(name)))  # acts are no fields
    if isinstance(change, dict):  # of many to many: what was added or taken away
        objects = ", ".join(map(str, change.get("objects", [])))
        is_added = change.get("operation") == "add"
        return FieldChange(
            shown, NOTHING if is_added else _cut(objects), _cut(objects) if is_added else NOTHING
        )
    before, after = change
    if isinstance(fields.get(name), BooleanField):
        words = {"True": _("Yes"), "False": _("No")}
        before, after = words.get(str(before), before), words.get(str(after), after)
    return FieldChange(shown, _cut(before), _cut(after))


def _cut(value: Any) -> str:
    text = str(value)
    return NOTHING if text in ("", "None") else Truncator(text).chars(SHOWN_CHARACTERS)
