"""A schedule as a row of the page: its state, when it runs, and how it ended, in words."""

from datetime import datetime
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from msgspec import Struct, field

from telemetry.admin.schedules.errors import describe_error
from telemetry.admin.schedules.results import describe_result
from telemetry.store.operations import schedules as store
from telemetry.store.operations.pipeline_status import NEEDED_TASKS
from telemetry.store.operations.schedules import Schedule

STATES = {
    store.FAILING: ("bad", gettext_lazy("Fails")),
    store.OVERDUE: ("bad", gettext_lazy("Overdue")),
    store.DISABLED: ("unknown", gettext_lazy("Disabled")),
    store.UNSCHEDULED: ("unknown", gettext_lazy("No schedule")),
    store.NEW: ("unknown", gettext_lazy("Never ran")),
    store.OK: ("ok", gettext_lazy("Normal")),
}


class Row(Struct):
    """What the template shows. `kind`: the icon of the state. `outcome`: result or error."""

    task: str
    name: str
    about: str
    when: str
    kind: str
    state: str
    outcome: str
    ran_at: datetime | None
    duration: str
    next_at: datetime | None
    is_due: bool
    is_recorded: bool
    entry_id: int | None
    links: list[tuple[str, str]] = field(default_factory=list)


class Headline(Struct, frozen=True):
    """The largest text."""

    kind: str
    text: str


def make_row(schedule: Schedule, *, now: datetime) -> Row:
    """A schedule in words."""
    entry, run = schedule.entry, schedule.run
    kind, state = STATES[schedule.state]
    if schedule.is_wrong:
        kind = "bad"
    if schedule.state == store.DISABLED and run is not None:
        state = gettext_lazy("Disabled (built in)")
    return Row(
        task=schedule.task,
        name=_translate(entry.name) if entry is not None else name_task(schedule.task),
        about=_translate(entry.description) if entry is not None else "",
        when=describe_schedule(entry) if entry is not None else "\u2013",
        kind=kind,
        state=str(state),
        outcome=_describe_end(schedule),
        ran_at=run.started_at if run is not None else entry.last_run_at,
        duration=format_duration(run.duration_ms) if run is not None and run.started_at else "",
        next_at=schedule.next_at,
        is_due=schedule.next_at is not None and schedule.next_at <= now,
        is_recorded=run is not None,
        entry_id=entry.pk if entry is not None else None,
    )


def make_headline(schedules: list[Schedule], *, is_beating: bool | None) -> Headline:
    """Whether everything runs as planned."""
    if is_beating is None:
        return Headline("unknown", _("Redis does not answer: whether anything runs is not known."))
    if not is_beating:
        return Headline("bad", _("Beat does not run: nothing is sent but what is run by hand."))
    wrong = sum(one.is_wrong for one in schedules)
    if wrong:
        text = ngettext("%(n)s schedule needs you.", "%(n)s schedules need you.", wrong)
        return Headline("bad", text % {"n": number_format(wrong)})
    off = sum(one.state == store.DISABLED for one in schedules)
    if off:
        text = ngettext(
            "Everything runs as planned; %(n)s schedule is disabled.",
            "Everything runs as planned; %(n)s schedules are disabled.",
            off,
        )
        return Headline("ok", text % {"n": number_format(off)})
    return Headline("ok", _("Everything runs as planned."))


def name_task(task: str) -> str:
    """What its entry is called, in the reader's language; else the name of the task."""
    entry = PeriodicTask.objects.filter(task=task).order_by("pk").first()
    return _translate(entry.name) if entry is not None else task


def describe_schedule(entry: Any) -> str:
    """When it runs, in words."""
    if entry.interval_id:
        return _describe_interval(entry.interval)
    if entry.crontab_id:
        at = entry.crontab
        is_daily = (at.day_of_month, at.month_of_year, at.day_of_week) == ("*", "*", "*")
        if is_daily and at.hour.isdecimal() and at.minute.isdecimal():
            clock = f"{int(at.hour):02}:{int(at.minute):02} {at.timezone}"
            return _("every day at %(at)s") % {"at": clock}
    return str(entry.scheduler)


def _describe_interval(interval: Any) -> str:
    texts = {
        IntervalSchedule.DAYS: ngettext("every day", "every %(n)s days", interval.every),
        IntervalSchedule.HOURS: ngettext("every hour", "every %(n)s hours", interval.every),
        IntervalSchedule.MINUTES: ngettext("every minute", "every %(n)s minutes", interval.every),
        IntervalSchedule.SECONDS: ngettext("every second", "every %(n)s seconds", interval.every),
    }
    if interval.period not in texts:
        return str(interval)
    unit, count = interval.period, interval.every
    for larger, size in ((IntervalSchedule.MINUTES, 60), (IntervalSchedule.HOURS, 3_600),
                         (IntervalSchedule.DAYS, 86_400)):  # fmt: skip
        if interval.period == IntervalSchedule.SECONDS and interval.every % size == 0:
            unit, count = larger, interval.every // size
    if (unit, count) != (interval.period, interval.every):
        return _describe_interval(IntervalSchedule(every=count, period=unit))
    return texts[unit] % {"n": number_format(count)}


def format_duration(ms: int) -> str:
    """Milliseconds below a second, then seconds and minutes."""
    if ms < 1_000:
        return f"{number_format(ms)}\u00a0ms"
    if ms < 60_000:
        return f"{number_format(round(ms / 1000, 1))}\u00a0s"
    return f"{number_format(ms // 60_000)}\u00a0min {number_format(ms % 60_000 // 1_000)}\u00a0s"


def _describe_end(schedule: Schedule) -> str:
    run = schedule.run
    if schedule.is_wrong and schedule.state in (store.DISABLED, store.UNSCHEDULED):
        needed = {task: _translate(text) for task, text in NEEDED_TASKS.items()}
        return _("Enable it: %(why)s.") % {"why": needed[schedule.task]}
    if run is None or run.started_at is None:
        return ""
    if schedule.state == store.FAILING:
        return describe_error(run.error)
    if schedule.state == store.OVERDUE:
        return _("Two runs in a row did not succeed: is the maintenance pool busy, or away?")
    return describe_result(run.name, run.result)


def _translate(text: str) -> str:
    """A text of the schedule that a new system starts with; others stay as they are."""
    return _(text) if text else ""
