"""What somebody should know of a device's readings: what is to be decided, edits, notes on days."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from django.db.models import BigIntegerField, DateTimeField, F, TextField, Value
from django.db.models.functions import Cast, Coalesce, Concat, NullIf, Trim
from msgspec import Struct

from telemetry.models import DayNote, Device, Edit, Finding
from telemetry.web.charts.calendar import Calendar
from telemetry.web.charts.period import Period
from telemetry.web.device.events import Event, EventKind

MOST_FINDINGS = 20
MOST_EDITS = 12
MOST_NOTES = 30
EDITED, NOTE = "edited", "note"


class Flag(Struct, frozen=True):
    """Readings that are to be decided (`rule` is a finding's), or were edited; or a note on a day,
    with its text, its author and their ids."""

    rule: str
    since: datetime
    until: datetime | None
    text: str = ""
    author: str = ""
    note_id: int | None = None
    created_by_id: int | None = None

    @property
    def day(self) -> date:
        """The local day of a note."""
        return self.since.astimezone(UTC).date()

    @property
    def label(self) -> str:
        """The rule for people."""
        return str(Finding.Rule(self.rule).label)


class Flags(Struct, frozen=True):
    """The open findings of a device, newest first, the edits of a period, the newest notes."""

    findings: Sequence[Flag]
    edits: Sequence[Flag]
    notes: Sequence[Flag]


def read_flags(account_id: int, *, device: Device, period: Period) -> Flags:
    """What somebody should know of a device's readings. One query."""
    findings = Finding.objects.filter(account_id=account_id, device=device, state="open")
    edits = Edit.objects.filter(
        account_id=account_id, device=device, state="applied",
        until__gt=period.since, since__lte=period.until,
    ).annotate(rule=Value(EDITED))  # fmt: skip
    columns = ("rule", "since", "until")
    nothing = {
        "body": Value("", TextField()), "author": Value("", TextField()),
        "note_id": Cast(Value(None), BigIntegerField()),
        "writer_id": Cast(Value(None), BigIntegerField()),
    }  # fmt: skip
    listed = findings.order_by("-since").annotate(**nothing)
    edited = edits.order_by("since").annotate(**nothing)
    of = (*columns, *nothing)
    flags = [
        Flag(*row)
        for row in listed.values_list(*of)[:MOST_FINDINGS].union(
            edited.values_list(*of)[:MOST_EDITS], _select_notes(account_id, device), all=True
        )
    ]
    flags.sort(key=lambda flag: flag.since, reverse=True)
    by_rule = [[flag for flag in flags if flag.rule == rule] for rule in (EDITED, NOTE)]
    return Flags([flag for flag in flags if flag.rule not in (EDITED, NOTE)], *by_rule)


def _select_notes(account_id: int, device: Device) -> Any:
    """The newest notes, with the columns of flags: a day as its midnight in UTC."""
    name = Trim(Concat(F("created_by__first_name"), Value(" "), F("created_by__last_name")))
    author = Coalesce(NullIf(name, Value("")), F("created_by__username"), Value(""))
    notes = DayNote.objects.filter(account_id=account_id, device=device).order_by("-day", "-id")
    return notes.annotate(
        rule=Value(NOTE),
        since=Cast("day", DateTimeField()),
        until=Value(None, DateTimeField()),
        body=Cast("text", TextField()),
        author=Cast(author, TextField()),
        note_id=F("id"),
        writer_id=F("created_by_id"),
    ).values_list("rule", "since", "until", "body", "author", "note_id", "writer_id")[:MOST_NOTES]


def list_notes(flags: Flags, *, calendar: Calendar) -> list[Event]:
    """The notes as events, each at the begin of its day."""
    return [Event(calendar.start_of(note.day), EventKind.NOTE, note) for note in flags.notes]
