"""Failed sign-ins and the locks that they make, as an administrator sees and lifts them.

django-axes counts failures by name and address (`telemetry/web/signin/limits.py`). An address is
locked while the failures of its names within the cool-off come to the limit; so lifting a lock
forgets all failures of the address.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from telemetry.changes.acts import LOCK_LIFTED, record_act
from telemetry.models import SignInFailure

log = structlog.get_logger("telemetry.signin")


def cool_off() -> timedelta:
    """How long failures count."""
    found: timedelta = settings.AXES_COOLOFF_TIME
    return found


def mark_locked(attempts: "QuerySet[SignInFailure]", *, now: datetime) -> Any:
    """With `of_address`, the failures of the address that still count, and `is_locked`."""
    alike = Q(ip_address=OuterRef("ip_address")) | Q(
        ip_address__isnull=True, pk=OuterRef("pk")
    )  # an address that is not known is nobody's
    counting = SignInFailure.objects.filter(alike, attempt_time__gt=now - cool_off())
    sums = counting.order_by().values("ip_address").annotate(n=Sum("failures_since_start"))
    is_locked = Q(of_address__gte=settings.AXES_FAILURE_LIMIT)
    return attempts.annotate(of_address=Coalesce(Subquery(sums.values("n")[:1]), 0)).annotate(
        is_locked=ExpressionWrapper(is_locked, output_field=BooleanField())
    )


def lift_locks(addresses: set[str | None], *, user: Any) -> int:
    """Forget all failures from these addresses, and write it down; how many addresses."""
    lifted = 0
    for address in sorted(addresses, key=str):
        same = {"ip_address": address} if address else {"ip_address__isnull": True}
        attempts = list(SignInFailure.objects.filter(**same).order_by("username"))
        if not attempts:
            continue
        names = ", ".join(dict.fromkeys(each.username or "\u2013" for each in attempts))
        failures = sum(each.failures_since_start for each in attempts)
        record_act(
            attempts[0], act=LOCK_LIFTED, user=user, name=f"{address or '?'}: {names}"[:500],
            before=str(failures), after="0",
        )  # fmt: skip
        SignInFailure.objects.filter(**same).delete()
        log.info("sign_in_lock_lifted", address=address, by=user.get_username(), failures=failures)
        lifted += 1
    return lifted


def ends_at(attempt: SignInFailure) -> datetime:
    """When the failures of an entry stop to count."""
    at: datetime = attempt.attempt_time
    return at + cool_off()


def is_over(attempt: SignInFailure) -> bool:
    """Whether they count no more."""
    return ends_at(attempt) <= timezone.now()
