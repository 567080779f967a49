"""Decide a finding, for pages, API and admin: accept, ignore, or open it again.

A finding is voided or substituted by an edit of its readings (`telemetry/edits/editing.py`).
"""

from typing import Any

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from telemetry.models import Finding, User

State = Finding.State
DECISIONS = (State.ACCEPTED, State.IGNORED)
LONGEST_NOTE = 500


class DecisionError(ValueError):
    """The finding cannot be decided so. The text is one line for people, in their language."""


def decide_finding(finding: Finding, *, state: str, user: User, note: str = "") -> None:
    """Accept or ignore an open finding, or open one again that was accepted or ignored.

    Accepting says that the values are right and counts for the bill, so it takes a note. Raises
    `DecisionError`; of two decisions at once the first one counts.
    """
    text = note.strip()
    if len(text) > LONGEST_NOTE or "\0" in text:
        raise DecisionError(
            _("Note: expected at most %(most)d characters") % {"most": LONGEST_NOTE}
        )
    if state == State.ACCEPTED and not text:
        raise DecisionError(
            _("Accepting a finding takes a note that says why the values are right")
        )
    before: tuple[str, ...]
    values: dict[str, Any]
    if state == State.OPEN:
        before, values = DECISIONS, {"decided_by": None, "decided_at": None, "note": ""}
    elif state in DECISIONS:
        before, values = (State.OPEN,), {"decided_by": user, "decided_at": Now(), "note": text}
    else:
        raise DecisionError(_("Expected accepted, ignored or open"))
    rows = Finding.objects.filter(pk=finding.pk, state__in=before)
    if not rows.update(state=state, changed_at=Now(), **values):
        finding.refresh_from_db()
        raise DecisionError(
            _("This finding is %(state)s: it cannot become %(decision)s")
            % {"state": finding.get_state_display(), "decision": State(state).label}
        )
