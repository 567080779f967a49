"""Deliver what is due: e-mails and webhooks. What fails is tried again, later each time, and given
up after `MOST_TRIES`; then it is listed as failed until somebody sends it again.
"""

import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from msgspec import Struct

from telemetry.alarms.emails import send_email
from telemetry.alarms.payload import make_payload
from telemetry.alarms.webhook import WebhookError, post
from telemetry.models import AlarmDelivery

MOST_TRIES = 8
FIRST_RETRY = timedelta(seconds=30)
LAST_RETRY = timedelta(hours=1)
BUDGET_S = 30.0
"""Of one run: the maintenance pool has other tasks."""
MOST_A_RUN = 500
ERROR_CHARACTERS = 1_000

log = structlog.get_logger("telemetry.alarms")


class Delivered(Struct):
    """What a run did."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0


def deliver_alarms(*, now: datetime) -> Delivered:
    """Deliver what is due at `now`. Two at once deliver nothing twice; a process that is killed in
    between may."""
    done, started_s = Delivered(), time.monotonic()
    due = AlarmDelivery.objects.filter(sent_at=None, failed_at=None, due_at__lte=now)
    failing: set[int | None] = set()
    for delivery_id, webhook_id in due.order_by("due_at", "pk").values_list("pk", "webhook_id")[
        :MOST_A_RUN
    ]:
        if time.monotonic() - started_s > BUDGET_S:
            break
        if webhook_id in failing:  # it waits for its next turn, and holds up nobody
            continue
        if not _deliver(delivery_id, done, now=now):
            failing.add(webhook_id or -1)
    return done


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many failures."""
    factor: int = 4 ** min(max(tries, 1) - 1, 6)
    return min(LAST_RETRY, FIRST_RETRY * factor)


def _deliver(delivery_id: int, done: Delivered, *, now: datetime) -> bool:
    """Whether it is delivered, or another one is at it."""
    with transaction.atomic():
        rows = AlarmDelivery.objects.select_for_update(skip_locked=True, of=("self",))
        delivery = (
            rows.select_related("rule", "account", "user", "webhook")
            .filter(pk=delivery_id, sent_at=None, failed_at=None, due_at__lte=now)
            .first()
        )
        if delivery is None:
            return True
        delivery.tries += 1
        delivery.tried_at = now
        try:
            _send(delivery, now=now)
        except Exception as error:
            text = str(error) if isinstance(error, WebhookError) else repr(error)
            delivery.error = text[:ERROR_CHARACTERS]
            delivery.due_at = now + wait_after(delivery.tries)
            is_given_up = delivery.tries >= MOST_TRIES
            delivery.failed_at = now if is_given_up else None
            done.failed += 1
            done.given_up += is_given_up
            log.warning("alarm_not_delivered", delivery=delivery.pk, tries=delivery.tries,
                error=delivery.error[:300])  # fmt: skip
        else:
            delivery.sent_at, delivery.error = now, ""
            done.sent += 1
        delivery.save(
            update_fields=["tries", "tried_at", "error", "due_at", "failed_at", "sent_at"]
        )
        return delivery.sent_at is not None


def _send(delivery: AlarmDelivery, *, now: datetime) -> None:
    if delivery.webhook is None:
        send_email(delivery)
        return
    post(
        delivery.webhook.url,
        make_payload(delivery),
        secret=delivery.webhook.secret,
        delivery_id=delivery.pk,
        timestamp=int(now.timestamp()),
        networks=settings.OPTIONS.alarms.parse_networks(),
    )
