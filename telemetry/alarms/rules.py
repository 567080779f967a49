"""Evaluate the rules of alarms: raise, clear, and have those told that a rule names.

One rule, one transaction: its watches, its alarms and what is to be delivered change together. Two
evaluations at once share the rules among them.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from msgspec import Struct, field

from telemetry.alarms.outbox import queue_deliveries, queue_escalation
from telemetry.core.alarm_rules import (
    KINDS,
    Change,
    Level,
    Sample,
    Source,
    WatchState,
    advance,
)
from telemetry.models import Alarm, AlarmRule, AlarmWatch
from telemetry.store.alarms.samples import (
    SWEEP,
    UNSEEN,
    Samples,
    Subject,
    list_left_out,
    read_samples,
)

ReadSystem = Callable[[AlarmRule, datetime], Samples]

SOON = timedelta(seconds=2)
"""A task that beat sends comes a moment early now and then."""
STATE_FIELDS = ("beyond_since", "last_beyond_at", "clear_since", "worst", "detail", "alarm")

log = structlog.get_logger("telemetry.alarms")


class Evaluated(Struct):
    """What a run did. `problems`: rules that could not be evaluated."""

    changed: int = 0
    rules: int = 0
    raised: int = 0
    cleared: int = 0
    escalated: int = 0
    problems: list[str] = field(default_factory=list)


def evaluate_rules(*, now: datetime, read_system: ReadSystem) -> Evaluated:
    """Evaluate every rule whose turn it is. `read_system`: the samples of a rule about the system.

    Repeating it is safe. A rule that fails does not keep the others from being evaluated.
    """
    done = Evaluated()
    rules = AlarmRule.objects.filter(is_active=True).filter(
        Q(account=None) | Q(account__is_active=True)
    )
    for rule_id, kind, evaluated_at in rules.values_list("pk", "kind", "evaluated_at"):
        every = timedelta(seconds=KINDS[kind].every_s)
        if evaluated_at is not None and evaluated_at <= now < evaluated_at + every - SOON:
            continue
        try:
            _evaluate_one(rule_id, done, now=now, read_system=read_system)
        except Exception as error:
            log.warning("alarm_rule_failed", rule=rule_id, kind=kind, error=repr(error)[:500])
            done.problems.append(f"alarm rule {rule_id} ({kind}): {error!r}"[:300])
    for rule in rules.filter(escalate_minutes__isnull=False):
        with transaction.atomic():
            done.escalated += queue_escalation(rule, now=now)
    done.changed = done.raised + done.cleared + done.escalated
    return done


def reset_rule(rule: AlarmRule, *, now: datetime) -> None:
    """End its alarms and forget what it watched: it was changed, or is to be deleted."""
    with transaction.atomic():
        AlarmRule.objects.select_for_update(of=("self",)).order_by().get(pk=rule.pk)
        opened = list(Alarm.objects.filter(rule=rule, closed_at=None))
        for alarm in opened:
            _close(alarm, at=now, ending=Alarm.Ending.RULE, now=now)
        Alarm.objects.bulk_update(opened, ["closed_at", "ending", "changed_at"])
        queue_deliveries(rule, raised=[], cleared=opened, now=now)
        rule.watches.all().delete()
        AlarmRule.objects.filter(pk=rule.pk).update(evaluated_at=None, swept_at=None)


def _evaluate_one(rule_id: int, done: Evaluated, *, now: datetime, read_system: ReadSystem) -> None:
    with transaction.atomic():
        rules = AlarmRule.objects.select_for_update(skip_locked=True, of=("self",))
        rule = rules.select_related("account").filter(pk=rule_id, is_active=True).first()
        if rule is None:
            return
        is_sweep = rule.swept_at is None or now >= rule.swept_at + SWEEP
        seen_since = None if is_sweep or not rule.evaluated_at else rule.evaluated_at - UNSEEN
        if KINDS[rule.kind].is_system:
            samples = read_system(rule, now)
        else:
            samples = read_samples(rule, now=now, seen_since=seen_since)
        run = _Run(rule, now)
        run.advance(samples)
        run.write()
        done.rules += 1
        done.raised += len(run.raised)
        done.cleared += len(run.cleared)
        swept = {"swept_at": now} if is_sweep else {}
        AlarmRule.objects.filter(pk=rule.pk).update(evaluated_at=now, **swept)


class _Run:
    """One evaluation of a rule, and what it changes."""

    def __init__(self, rule: AlarmRule, now: datetime) -> None:
        self.rule, self.now = rule, now
        self.raised: list[Alarm] = []
        self.cleared: list[Alarm] = []
        self._alarms: list[Alarm] = []
        self._watches: list[AlarmWatch] = []

    def advance(self, samples: Samples) -> None:
        """Take the samples of each subject that has some or is watched."""
        by_key = {subject.key: (subject, found) for subject, found in samples.items()}
        held = Q(beyond_since__isnull=False) | Q(subject__in=by_key)
        watches = {
            watch.subject: watch for watch in self.rule.watches.filter(held).select_related("alarm")
        }
        held_keys = [key for key, watch in watches.items() if watch.beyond_since]
        is_of_account = self.rule.account_id is not None
        left_out = list_left_out(self.rule, held_keys) if is_of_account and held_keys else set()
        for key in watches.keys() | by_key.keys():
            subject, found = by_key.get(key, (None, []))
            watch = watches.get(key) or self._make_watch(subject)
            if subject is not None and subject.detail:
                watch.detail = subject.detail
            self._advance_one(watch, found, is_left_out=key in left_out)

    def _make_watch(self, subject: Subject | None) -> AlarmWatch:
        assert subject is not None
        return AlarmWatch(
            rule=self.rule, account_id=self.rule.account_id, subject=subject.key,
            device_id=subject.device_id, gateway_id=subject.gateway_id, detail=subject.detail,
        )  # fmt: skip

    def _advance_one(
        self, watch: AlarmWatch, found: Iterable[Sample], *, is_left_out: bool
    ) -> None:
        spec = KINDS[self.rule.kind]
        clear_after = timedelta(minutes=self.rule.clear_minutes)
        samples = list(found)
        if is_left_out:
            samples, clear_after = [Sample(self.now, Level.CLEAR)], timedelta(0)
        elif not samples and spec.source != Source.READINGS:
            samples = [Sample(self.now, Level.CLEAR)]
        state, changes = advance(
            _read_state(watch), samples, now=self.now, clear_after=clear_after, sign=spec.sign,
            delay=timedelta(minutes=self.rule.delay_minutes),
        )  # fmt: skip
        alarm, ending = watch.alarm, Alarm.Ending.CLEARED
        if is_left_out:
            ending = Alarm.Ending.INACTIVE
        for change in changes:
            if change.event == "raised":
                alarm = self._raise(watch, change)
            elif alarm is not None:
                _fill(alarm, change.state)
                _close(alarm, at=change.at, ending=ending, now=self.now)
                self.cleared.append(alarm)
                alarm = None
        # Not for each run in which it only goes on: pages would change each time.
        if alarm is not None and alarm.value != state.worst:
            _fill(alarm, state)
            alarm.changed_at = self.now
            self._alarms.append(alarm)
        _write_state(watch, state, alarm)
        self._watches.append(watch)

    def _raise(self, watch: AlarmWatch, change: Change) -> Alarm:
        alarm = Alarm(
            account_id=self.rule.account_id, rule=self.rule, kind=self.rule.kind,
            device_id=watch.device_id, gateway_id=watch.gateway_id, limit=self.rule.limit,
            opened_at=change.at, detail=watch.detail, changed_at=self.now,
        )  # fmt: skip
        _fill(alarm, change.state)
        self.raised.append(alarm)
        return alarm

    def write(self) -> None:
        """Write what changed, and queue what is to be delivered."""
        Alarm.objects.bulk_create(self.raised)
        opened_before = {alarm.pk: alarm for alarm in [*self.cleared, *self._alarms]}
        Alarm.objects.bulk_update(
            opened_before.values(),
            ["value", "last_beyond_at", "closed_at", "ending", "changed_at"], batch_size=1_000,
        )  # fmt: skip
        is_kept = KINDS[self.rule.kind].source == Source.READINGS
        kept = [watch for watch in self._watches if watch.beyond_since or is_kept]
        if not is_kept:
            ended = [watch.pk for watch in self._watches if not watch.beyond_since]
            self.rule.watches.filter(pk__in=ended).delete()
        # What the database knows of readings that were evaluated is left alone.
        AlarmWatch.objects.bulk_create(
            [_copy(watch) for watch in kept], update_conflicts=True,
            unique_fields=["rule", "subject"], update_fields=STATE_FIELDS, batch_size=1_000,
        )  # fmt: skip
        queue_deliveries(self.rule, raised=self.raised, cleared=self.cleared, now=self.now)


def _copy(watch: AlarmWatch) -> AlarmWatch:
    """Without the key: a row that exists is found by rule and subject."""
    watch.pk = None
    watch._state.adding = True
    return watch


def _read_state(watch: AlarmWatch) -> WatchState:
    return WatchState(
        watch.beyond_since, watch.last_beyond_at, watch.clear_since, watch.worst,
        watch.alarm_id is not None,
    )  # fmt: skip


def _write_state(watch: AlarmWatch, state: WatchState, alarm: Alarm | None) -> None:
    watch.beyond_since, watch.last_beyond_at = state.beyond_since, state.last_beyond_at
    watch.clear_since, watch.worst, watch.alarm = state.clear_since, state.worst, alarm


def _fill(alarm: Alarm, state: WatchState) -> None:
    alarm.value = state.worst
    alarm.last_beyond_at = state.last_beyond_at or alarm.opened_at


def _close(alarm: Alarm, *, at: datetime, ending: str, now: datetime) -> None:
    alarm.closed_at, alarm.ending, alarm.changed_at = max(at, alarm.opened_at), ending, now
