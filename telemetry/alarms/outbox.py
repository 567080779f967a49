"""Queue what is to be delivered about alarms, in the transaction that raises or clears them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet
from django.utils import timezone

from telemetry.core.alarm_rules import end_quiet_hours
from telemetry.mail.outbox import has_mail
from telemetry.models import Alarm, AlarmDelivery, AlarmRule, User

Event = AlarmDelivery.Event


def list_people(rule: AlarmRule, people: Any = None) -> "QuerySet[User]":
    """Who gets e-mails of a rule now, of its recipients or of the `people` given: members of its
    account; of a rule about the system staff, all administrators when it names nobody."""
    people = rule.recipients if people is None else people
    reachable = User.objects.filter(is_active=True).exclude(email="")
    if rule.account_id is not None:
        return reachable.filter(pk__in=people.values("pk"), memberships__account=rule.account_id)
    if people.exists():
        return reachable.filter(pk__in=people.values("pk"), is_staff=True)
    return reachable.filter(is_superuser=True)


def queue_deliveries(
    rule: AlarmRule, *, raised: Iterable[Alarm], cleared: Iterable[Alarm], now: datetime
) -> None:
    """Tell everybody of the rule: one e-mail and one call for each event, however many alarms."""
    started, ended = [alarm.pk for alarm in raised], [alarm.pk for alarm in cleared]
    if not (started or ended):
        return
    rows = []
    if rule.webhook_id is not None:
        rows += [
            _make(rule, event, ids, now, webhook_id=rule.webhook_id)
            for event, ids in ((Event.RAISED, started), (Event.CLEARED, ended))
            if ids
        ]
    if has_mail():
        due_at = choose_due_at(rule, now)
        for user in list_people(rule):
            if started:
                rows.append(_make(rule, Event.RAISED, started, due_at, user=user))
            # Who was not told yet that an alarm began is told both at once (`emails.py`).
            untold = {*started, *_list_untold(rule, user)} if ended else set()
            if told := [pk for pk in ended if pk not in untold]:
                rows.append(_make(rule, Event.CLEARED, told, due_at, user=user))
    AlarmDelivery.objects.bulk_create(rows)


def queue_escalation(rule: AlarmRule, *, now: datetime) -> int:
    """Tell the next ones of alarms that nobody acknowledged in time; how many alarms."""
    before = now - timedelta(minutes=rule.escalate_minutes or 0)
    waiting = Alarm.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        rule=rule, closed_at=None, acknowledged_at=None, escalated_at=None, opened_at__lte=before
    )
    ids = set(waiting.values_list("pk", flat=True))
    if not ids:
        return 0
    # Counted from when somebody was told, or could not be.
    ended = Q(sent_at__lte=before) | Q(failed_at__lte=before)
    told = rule.deliveries.filter(ended, event=Event.RAISED).values_list("alarm_ids", flat=True)
    due = sorted(ids & {pk for listed in told for pk in listed})
    if not due:
        return 0
    rows = []
    if rule.webhook_id is not None:
        rows.append(_make(rule, Event.ESCALATED, due, now, webhook_id=rule.webhook_id))
    if has_mail():
        due_at = choose_due_at(rule, now)
        people = list_people(rule, rule.escalate_to)
        rows += [_make(rule, Event.ESCALATED, due, due_at, user=user) for user in people]
    AlarmDelivery.objects.bulk_create(rows)
    Alarm.objects.filter(pk__in=due).update(escalated_at=now, changed_at=now)
    return len(due)


def queue_test(rule: AlarmRule, *, now: datetime) -> int:
    """Send a trial to everybody whom the rule tells, at once; how many."""
    rows = [_make(rule, Event.TEST, [], now, user=user) for user in list_people(rule)]
    rows = rows if has_mail() else []
    if rule.webhook_id is not None:
        rows.append(_make(rule, Event.TEST, [], now, webhook_id=rule.webhook_id))
    return len(AlarmDelivery.objects.bulk_create(rows))


def send_again(delivery: AlarmDelivery) -> bool:
    """Let one that was given up be tried again; false when it was not given up."""
    return bool(
        AlarmDelivery.objects.filter(pk=delivery.pk, failed_at__isnull=False).update(
            failed_at=None, tries=0, due_at=timezone.now()
        )
    )


def choose_due_at(rule: AlarmRule, now: datetime) -> datetime:
    """Now, or the end of the quiet hours."""
    local = now.astimezone(ZoneInfo(rule.account.time_zone if rule.account else "UTC"))
    return end_quiet_hours(local, start=rule.quiet_from, end=rule.quiet_until) or now


def _list_untold(rule: AlarmRule, user: User) -> set[int]:
    waiting = rule.deliveries.filter(user=user, event=Event.RAISED, sent_at=None)
    return {pk for ids in waiting.values_list("alarm_ids", flat=True) for pk in ids}


def _make(
    rule: AlarmRule, event: str, ids: list[int], due_at: datetime, **to: Any
) -> AlarmDelivery:
    return AlarmDelivery(
        account_id=rule.account_id, rule=rule, event=event, alarm_ids=ids, due_at=due_at, **to
    )
