"""Discard dead letters, or return them to pending, by compare-and-set."""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from telemetry.models import DeadLetter

PENDING, DISCARDED = DeadLetter.State.PENDING, DeadLetter.State.DISCARDED
REPLAYED = DeadLetter.State.REPLAYED


def discard_dead_letters(dead_letters: QuerySet[DeadLetter], *, user: Any) -> int:
    """Discard the pending ones; returns how many. They stay in the totals."""
    return _change_state(dead_letters, Q(state=PENDING), to=DISCARDED, user=user)


def return_to_pending(dead_letters: QuerySet[DeadLetter], *, user: Any) -> int:
    """Make discarded and replayed ones pending again; how many. Sending twice is harmless."""
    return _change_state(dead_letters, Q(state__in=(DISCARDED, REPLAYED)), to=PENDING, user=user)


def _change_state(
    dead_letters: QuerySet[DeadLetter], condition: Q, *, to: DeadLetter.State, user: Any
) -> int:
    # The rows of a list have annotations and joins, which an update cannot have.
    rows = DeadLetter.objects.filter(condition, pk__in=dead_letters.order_by().values("pk"))
    return rows.update(state=to, handled_by=user, handled_at=timezone.now())
