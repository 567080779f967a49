"""Request, approve, reject and undo edits of readings: for pages, API and admin.

Every function raises `EditError`, whose text is for people; nothing has changed then. Who may do it
is decided before (`telemetry/accounts/access.py`); that a second person approves, here.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.core.values import VALUE_LIMIT
from telemetry.models import Account, DeadLetter, Device, Edit, Finding, User
from telemetry.store.edits.apply import EditError, apply_edit, describe_edit, revert_edit

LONGEST_REASON = 500
FACTOR_LIMIT = 1_000_000
State = Edit.State


class Change(Struct, frozen=True):
    """What to do with readings: void them, or give them a value, or multiply them by a factor."""

    value: Decimal | None = None
    factor: Decimal | None = None

    @property
    def kind(self) -> str:
        """The kind of the edit."""
        is_void = self.value is None and self.factor is None
        return Edit.Kind.VOID if is_void else Edit.Kind.SUBSTITUTE


VOID = Change()


@transaction.atomic
def request_edit(
    account: Account,
    *,
    device: Device,
    since: datetime,
    until: datetime,
    change: Change,
    reason: str,
    user: User | None,
    dead_letter: DeadLetter | None = None,
    finding: Finding | None = None,
) -> Edit:
    """Edit the readings of a device from `since` to `until`, both included.

    Applied at once, unless the account wants a second person to approve it. `finding`: the one that
    it puts right.
    """
    edit = Edit(
        account=account,
        device=device,
        kind=change.kind,
        since=since,
        until=until,
        value=change.value,
        factor=change.factor,
        reason=_check_reason(reason),
        state=State.WAITING,
        requested_by=user,
        requested_at=timezone.now(),
        dead_letter=dead_letter,
    )
    _check_change(edit)
    edit.save()
    if finding is not None:
        Finding.objects.filter(pk=finding.pk, account=account, device=device).update(edit=edit)
    if account.edits_need_approval:
        return edit
    return _apply(edit, user=user)


@transaction.atomic
def approve_edit(edit: Edit, *, user: User) -> Edit:
    """Apply an edit that waits, or undo it where that waits. Not by who requested it."""
    edit = _lock(edit)
    if edit.state == State.WAITING:
        _check_second_person(edit, first_id=edit.requested_by_id, user=user)
        return _apply(edit, user=user)
    if edit.state == State.UNDO_WAITING:
        _check_second_person(edit, first_id=edit.undo_requested_by_id, user=user)
        return _undo(edit, user=user)
    raise _not_waiting(edit)


@transaction.atomic
def reject_edit(edit: Edit, *, user: User) -> Edit:
    """Drop an edit that waits, or the request to undo it. Who requested it may do so, too."""
    edit = _lock(edit)
    if edit.state == State.WAITING:
        edit.state, edit.decided_by, edit.decided_at = State.REJECTED, user, timezone.now()
        Finding.objects.filter(edit=edit).update(edit=None, changed_at=Now())
    elif edit.state == State.UNDO_WAITING:
        edit.state, edit.undo_reason = State.APPLIED, ""
        edit.undo_requested_by, edit.undo_requested_at = None, None
    else:
        raise _not_waiting(edit)
    edit.save()
    return edit


@transaction.atomic
def undo_edit(edit: Edit, *, user: User | None, reason: str) -> Edit:
    """Give the readings back the values of before. It waits where the account wants approval."""
    edit = _lock(edit)
    if edit.state != State.APPLIED:
        raise EditError(
            _("%(what)s: this edit cannot be undone: %(state)s")
            % {"what": describe_edit(edit), "state": edit.get_state_display()}
        )
    edit.undo_reason = _check_reason(reason)
    edit.undo_requested_by, edit.undo_requested_at = user, timezone.now()
    if edit.account.edits_need_approval:
        edit.state = State.UNDO_WAITING
        edit.save()
        return edit
    return _undo(edit, user=user)


def _apply(edit: Edit, *, user: User | None) -> Edit:
    edit.readings_count = apply_edit(edit)
    edit.state, edit.decided_by, edit.decided_at = State.APPLIED, user, timezone.now()
    edit.save()
    _mark_dead_letter(edit, state=DeadLetter.State.TAKEN, user=user)
    is_void = edit.kind == Edit.Kind.VOID
    Finding.objects.filter(edit=edit).update(
        state=Finding.State.VOIDED if is_void else Finding.State.SUBSTITUTED,
        decided_by=edit.requested_by,
        decided_at=Now(),
        changed_at=Now(),
        note=edit.reason,
    )
    return edit


def _undo(edit: Edit, *, user: User | None) -> Edit:
    revert_edit(edit)
    edit.state, edit.undone_by, edit.undone_at = State.UNDONE, user, timezone.now()
    edit.save()
    _mark_dead_letter(edit, state=DeadLetter.State.PENDING, user=None)
    Finding.objects.filter(edit=edit).update(
        state=Finding.State.OPEN, edit=None, decided_by=None, decided_at=None, note="",
        changed_at=Now(),
    )  # fmt: skip
    return edit


def _mark_dead_letter(edit: Edit, *, state: DeadLetter.State, user: User | None) -> None:
    """The dead letter whose value was taken says so; it waits again when that is undone."""
    DeadLetter.objects.filter(edits=edit).update(
        state=state, handled_by=user, handled_at=None if user is None else timezone.now()
    )


def _lock(edit: Edit) -> Edit:
    rows = Edit.objects.select_for_update(of=("self",))
    return rows.select_related("account", "device").get(pk=edit.pk)


def _check_second_person(edit: Edit, *, first_id: int | None, user: User) -> None:
    if user.pk == first_id:
        raise EditError(
            _("%(what)s: you requested this yourself: another admin must approve it")
            % {"what": describe_edit(edit)}
        )


def _check_reason(reason: str) -> str:
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON or "\0" in text:
        raise EditError(
            _("Reason: expected 1 to %(most)d characters, which others can understand later")
            % {"most": LONGEST_REASON}
        )
    return text


def _check_change(edit: Edit) -> None:
    """Reject what no reading of the device could be."""
    device, value, factor = edit.device, edit.value, edit.factor
    problem = None
    if edit.until < edit.since:
        problem = _("the period ends before it begins")
    elif value is not None and abs(value) >= VALUE_LIMIT:
        problem = _("%(value)s is too large: expected less than 10^11") % {"value": value}
    elif value is not None and value < 0 and device.kind == Device.Kind.METER:
        problem = _("%(value)s is below zero: expected 0 or more of a meter") % {"value": value}
    elif value is not None and device.register_modulus and value >= device.register_modulus:
        problem = _("%(value)s: expected less than %(modulus)s, where the register rolls over") % {
            "value": value,
            "modulus": device.register_modulus,
        }
    elif factor is not None and not 0 < factor < FACTOR_LIMIT:
        problem = _("factor %(factor)s: expected more than 0 and less than %(limit)d") % {
            "factor": factor,
            "limit": FACTOR_LIMIT,
        }
    if problem is not None:
        raise EditError(f"{describe_edit(edit)}: {problem}")


def _not_waiting(edit: Edit) -> EditError:
    return EditError(
        _("%(what)s: this edit does not wait for approval: %(state)s")
        % {"what": describe_edit(edit), "state": edit.get_state_display()}
    )
