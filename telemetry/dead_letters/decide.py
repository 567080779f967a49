"""Decide about a group of dead letters: discard it with a reason, replay it, undo that."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from telemetry.dead_letters.replay import Replay, replay_dead_letters
from telemetry.models import DeadLetter, DeadLetterAction, DeadLetterGroup, User
from telemetry.store.operations.summaries import count_group_again

MOST_REPLAYED = 5_000
"""So many are sent by one press: a page does not wait longer."""
Kind = DeadLetterAction.Kind
PENDING, DISCARDED = DeadLetter.State.PENDING, DeadLetter.State.DISCARDED


def list_waiting(group: DeadLetterGroup) -> "QuerySet[DeadLetter]":
    """The group's waiting dead letters."""
    return DeadLetter.objects.filter(
        reason=group.reason, mac=group.mac, account=group.account_id, state=PENDING
    )


@transaction.atomic
def discard_group(group: DeadLetterGroup, *, note: str, user: User) -> DeadLetterAction:
    """Discard what waits in a group. Nothing is deleted, and the totals stay."""
    now = timezone.now()
    count = list_waiting(group).update(state=DISCARDED, handled_by=user, handled_at=now)
    action = _record(group, Kind.DISCARD, count=count, at=now, note=note, user=user)
    count_group_again([(group.reason, group.mac)])
    return action


def replay_group(group: DeadLetterGroup, *, user: User) -> tuple[DeadLetterAction, Replay]:
    """Send what waits in a group again, at most `MOST_REPLAYED` at once. Raises
    `redis.RedisError`."""
    replay = replay_dead_letters(list_waiting(group), user=user, limit=MOST_REPLAYED)
    now = timezone.now()
    action = _record(group, Kind.REPLAY, count=replay.sent, at=now, note="", user=user)
    count_group_again([(group.reason, group.mac)])
    return action, replay


@transaction.atomic
def undo_action(action: DeadLetterAction, *, user: Any) -> int:
    """Let what a discard put away wait again; how many. A second undo does nothing."""
    if action.kind != Kind.DISCARD:
        return 0
    now = timezone.now()
    is_first = DeadLetterAction.objects.filter(pk=action.pk, undone_at=None).update(undone_at=now)
    if not is_first:
        return 0
    discarded = DeadLetter.objects.filter(
        reason=action.reason, mac=action.mac, account=action.account_id, state=DISCARDED,
        handled_at=action.at,
    )  # fmt: skip
    count = discarded.update(state=PENDING, handled_by=user, handled_at=now)
    count_group_again([(action.reason, action.mac)])
    return count


def find_action(dead_letter: DeadLetter) -> DeadLetterAction | None:
    """The decision that a dead letter was handled by, if it was about its group."""
    if dead_letter.handled_at is None:
        return None
    return DeadLetterAction.objects.filter(
        at=dead_letter.handled_at, reason=dead_letter.reason, mac=dead_letter.mac, undone_at=None
    ).first()


def record_edit(
    of: DeadLetter | DeadLetterGroup, *, note: str, user: User, count: int = 1
) -> DeadLetterAction:
    """Record that a dead letter, or so many of a group, were edited and replayed."""
    key = DeadLetterGroup(reason=of.reason, mac=of.mac, account_id=of.account_id)
    action = _record(key, Kind.EDIT, count=count, at=timezone.now(), note=note, user=user)
    count_group_again([(of.reason, of.mac)])
    return action


def _record(
    group: DeadLetterGroup, kind: Kind, *, count: int, at: Any, note: str, user: User
) -> DeadLetterAction:
    return DeadLetterAction.objects.create(
        at=at, user=user, kind=kind, reason=group.reason, mac=group.mac,
        account_id=group.account_id, dead_letters=count, note=note,
    )  # fmt: skip
