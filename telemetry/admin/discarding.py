"""Discard dead letters, and take it back: compare-and-set, so that nobody's work is undone."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from telemetry.models import DeadLetter


def discard_dead_letters(dead_letters: QuerySet[DeadLetter], *, user: Any) -> int:
    """Discard the pending ones; returns how many. They stay in the totals."""
    return (
        _plain(dead_letters)
        .filter(state=DeadLetter.State.PENDING)
        .update(state=DeadLetter.State.DISCARDED, handled_by=user, handled_at=timezone.now())
    )


def return_to_pending(dead_letters: QuerySet[DeadLetter], *, user: Any) -> int:
    """Make discarded and replayed ones pending again; how many. Sending twice is harmless."""
    return (
        _plain(dead_letters)
        .exclude(state=DeadLetter.State.PENDING)
        .update(state=DeadLetter.State.PENDING, handled_by=user, handled_at=timezone.now())
    )


def _plain(dead_letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    """The same rows without the annotations and joins of a list."""
    return DeadLetter.objects.filter(pk__in=dead_letters.order_by().values("pk"))
