"""What needs a person, each with its next action, and the sentence above everything."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from msgspec import Struct, field

from telemetry import models
from telemetry.admin.home.cards import BAD, OK, UNKNOWN, WARN, may_view, write_count
from telemetry.admin.home.state import HomeState
from telemetry.admin.sidebar import list_link
from telemetry.web.formatting import describe_age

SHOWN = 3


class Need(Struct, frozen=True):
    """Something that a person must do. `action`: label and address of the button; `more`: of a
    link beside it."""

    title: str
    text: str
    action: tuple[str, str]
    more: tuple[str, str] | None = None
    kind: str = WARN


class Headline(Struct, frozen=True):
    """The answer first, in words."""

    text: str
    kind: str
    needs: list[Need] = field(default_factory=list)
    hidden: list[Need] = field(default_factory=list)


def make_headline(state: HomeState, request: HttpRequest, *, sees_all: bool) -> Headline:
    """Whether all messages are accounted for, and what needs a person."""
    needs = [
        need
        for model, list_needs in (
            (models.Batch, _need_guard),
            (models.Alarm, _need_alarms),
            (models.TaskRun, _need_tasks),
            (models.DeadLetterGroup, _need_dead_letters),
            (models.Gateway, _need_gateways),
        )
        if may_view(request, model)
        for need in list_needs(state)
    ]
    kind, answer = _answer(state) if sees_all else (OK, "")
    count = len(needs)
    rest = _("Nothing needs you.")
    if count:
        rest = ngettext("%(count)d thing needs you.", "%(count)d things need you.", count)
        rest %= {"count": count}
    return Headline(f"{answer} {rest}".strip(), kind, needs[:SHOWN], needs[SHOWN:])


def _answer(state: HomeState) -> tuple[str, str]:
    balance = state.balance
    if balance is None:
        return UNKNOWN, _("Whether all messages are accounted for is not counted yet.")
    if balance.is_stale:
        at = f"{timezone.localtime(balance.at):%Y-%m-%d %H:%M}"
        return UNKNOWN, _(
            "Whether all messages are accounted for is not known since %(at)s."
        ) % {"at": at}  # fmt: skip
    if balance.difference:
        text = ngettext(
            "%(count)s message is not accounted for.",
            "%(count)s messages are not accounted for.",
            balance.difference,
        )
        return BAD, text % {"count": write_count(balance.difference)}
    if not balance.received:
        return OK, _("No message yet.")
    return OK, _("All messages are accounted for.")


def _need_guard(state: HomeState) -> list[Need]:
    if not state.guard:
        return []
    return [
        Need(
            _("Batches are set aside: nearly everything in them is rejected"),
            _("What others send is stored. If the rejections are right: manage.py resume_ingest."),
            (_("Dead letters"), list_link(models.DeadLetterGroup)),
            kind=BAD,
        )
    ]


def _need_alarms(state: HomeState) -> list[Need]:
    link = list_link(models.Alarm)
    return [
        Need(
            _("Alarm: %(kind)s") % {"kind": alarm.get_kind_display()},
            f"{alarm.detail} {describe_age(alarm.opened_at, now=state.now)}".strip(),
            (_("All alarms"), f"{link}?{urlencode({'ending__isempty': 1})}"),
            kind=BAD,
        )
        for alarm in state.alarms[:SHOWN]
    ]


def _need_tasks(state: HomeState) -> list[Need]:
    return [
        Need(
            _("%(task)s fails") % {"task": run.name},
            run.error.splitlines()[0][:160] if run.error else "",
            (_("Schedules"), list_link(models.TaskRun)),
            kind=BAD,
        )
        for run in state.failing[:SHOWN]
    ]


def _need_dead_letters(state: HomeState) -> list[Need]:
    groups = sum(reason.groups for reason in state.waiting)
    if not groups:
        return []
    title = ngettext(
        "%(count)s group of dead letters waits for a decision",
        "%(count)s groups of dead letters wait for a decision",
        groups,
    ) % {"count": write_count(groups)}
    everything: tuple[str, str] = (_("All groups"), list_link(models.DeadLetterGroup))
    largest: Any = state.largest
    if largest is None:
        return [Need(title, _("Each is kept and can be replayed."), everything)]
    unknown = next((one.groups for one in state.waiting if one.reason == "unknown_gateway"), 1)
    text = ngettext(
        "%(count)s gateway is not registered. The largest sent %(messages)s messages so far.",
        "%(count)s gateways are not registered. The largest sent %(messages)s messages so far.",
        unknown,
    ) % {"count": write_count(unknown), "messages": write_count(largest.messages)}
    register = reverse("admin:telemetry_deadlettergroup_register", args=[largest.mac])
    return [
        Need(title, text, (_("Register %(mac)s…") % {"mac": largest.mac}, register), everything)
    ]


def _need_gateways(state: HomeState) -> list[Need]:
    if not state.lost:
        return []
    newest = state.lost[0]
    count = state.gateways.offline - state.gateways.never_seen
    title = _("%(gateway)s stopped sending") % {"gateway": newest.code}
    if count > 1:
        title = _("%(gateway)s and %(count)s other gateways stopped sending") % {
            "gateway": newest.code,
            "count": write_count(count - 1),
        }
    assert newest.last_seen is not None
    age = describe_age(newest.last_seen, now=state.now)
    text = _("%(account)s; last message %(age)s.") % {"account": newest.account.name, "age": age}
    why = reverse("admin:telemetry_gateway_why", args=[newest.pk])
    offline = f"{list_link(models.Gateway)}?is_active__exact=1&is_online__exact=0"
    return [Need(title, text, (_("Why no data?"), why), (_("All offline"), offline))]
