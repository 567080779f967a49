"""The six cards of the home: a figure, what it means, and the list that it counts."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, npgettext
from msgspec import Struct, field

from telemetry import models
from telemetry.admin.home.state import STALE, HomeState
from telemetry.admin.sidebar import list_link
from telemetry.dead_letters.texts import choose_series, name_reason
from telemetry.web.formatting import describe_short_age, format_exact

OK, WARN, BAD, UNKNOWN = "ok", "warn", "bad", "unknown"
SHOWN_REASONS = 4
LATE = timedelta(minutes=2)


class Card(Struct, frozen=True):
    """A card. `kind` is the state's, with its word `state`; `unit` stands beside the value;
    `parts`: label, value, colour, share in percent; `sums`: sign, label, value."""

    title: str
    link: str
    value: str
    unit: str = ""
    note: str = ""
    kind: str = OK
    state: str = ""
    parts: list[tuple[Any, str, int, str]] = field(default_factory=list)
    sums: list[tuple[str, str, str]] = field(default_factory=list)


def list_cards(state: HomeState, request: HttpRequest, *, sees_all: bool) -> list[Card]:
    """The cards that the user may see. A difference comes first."""
    cards: list[tuple[type[Model], bool, Any]] = [
        (models.Gateway, False, _show_gateways),
        (models.Batch, True, _show_messages),
        (models.DeadLetterGroup, False, _show_dead_letters),
        (models.Batch, True, _show_pending),
        (models.TaskRun, True, _show_aggregates),
        (models.TaskRun, True, _show_difference),
    ]
    if state.balance is not None and state.balance.difference:
        cards.insert(0, cards.pop())
    return [
        show(state)
        for model, is_of_system, show in cards
        if (sees_all or not is_of_system) and may_view(request, model)
    ]


def may_view(request: HttpRequest, model: type[Model]) -> bool:
    """Whether the user sees the list of a model."""
    return bool(admin.site._registry[model].has_view_permission(request))


def write_count(count: float) -> str:
    """A count as the language groups it."""
    return format_exact(Decimal(round(count)))


def _show_gateways(state: HomeState) -> Card:
    counts = state.gateways
    total = counts.online + counts.offline
    lost = counts.offline - counts.never_seen
    note, never = _("%(lost)s stopped sending"), _("%(never)s never sent")
    texts = {"lost": write_count(lost), "never": write_count(counts.never_seen)}
    return Card(
        title=_("Gateways online"),
        link=f"{list_link(models.Gateway)}?is_active__exact=1&is_online__exact=0",
        value=write_count(counts.online),
        unit=_("of %(total)s") % {"total": write_count(total)},
        note=", ".join(text % texts for text in (note, never))
        if counts.offline
        else _("None is offline"),
        kind=WARN if lost else OK,
        state=_("Look") if lost else _("Normal"),
    )


def _show_messages(state: HomeState) -> Card:
    note = _("Mean of five minutes")
    if state.week_before is not None:
        note = _("A week ago: %(rate)s") % {"rate": write_count(state.week_before)}
    is_silent = not state.rate and bool(state.quarters)
    return Card(
        title=_("Messages a minute"),
        link=list_link(models.Batch),
        value=write_count(state.rate),
        note=note,
        kind=WARN if is_silent else OK,
        state=_("None arrives") if is_silent else _("Normal"),
    )


def _show_dead_letters(state: HomeState) -> Card:
    groups = sum(reason.groups for reason in state.waiting)
    messages = sum(reason.messages for reason in state.waiting)
    shown = state.waiting[:SHOWN_REASONS]
    unit = npgettext("of dead letters", "group", "groups", groups)
    if groups:
        text = ngettext("%(count)s message", "%(count)s messages", messages)
        unit = f"{unit}, {text % {'count': write_count(messages)}}"
    return Card(
        title=_("Dead letters waiting"),
        link=list_link(models.DeadLetterGroup),
        value=write_count(groups),
        unit=unit,
        note="" if groups else _("Everything that arrives can be stored"),
        kind=WARN if groups else OK,
        state=_("Decide") if groups else _("Normal"),
        parts=[
            (
                name_reason(reason.reason), write_count(reason.messages),
                choose_series(reason.reason), f"{100 * reason.messages / messages:.2f}",
            )
            for reason in shown
        ],
    )  # fmt: skip


def _show_pending(state: HomeState) -> Card:
    title, link = _("Pending"), list_link(models.Batch)
    if state.levels is None:
        return Card(
            title, link, "\u2013", note=_("Not known: Redis does not answer"),
            kind=UNKNOWN, state=_("Not known"),
        )  # fmt: skip
    levels = state.levels
    is_late = levels.oldest_s > LATE.total_seconds()
    waits_since = state.now - timedelta(seconds=levels.oldest_s)
    oldest = describe_short_age(waits_since, now=state.now)
    return Card(
        title=title,
        link=link,
        value=write_count(levels.pending_messages),
        unit=_("oldest %(age)s") % {"age": oldest} if levels.oldest_s else "",
        note=_("Messages that are received and not stored yet"),
        kind=BAD if is_late else OK,
        state=_("Late") if is_late else _("Normal"),
    )


def _show_aggregates(state: HomeState) -> Card:
    title, link = _("Aggregates"), list_link(models.TaskRun)
    if state.refreshed_at is None:
        return Card(
            title, link, "\u2013", note=_("They were never computed"), kind=UNKNOWN,
            state=_("Not known"),
        )  # fmt: skip
    is_stale = state.now - state.refreshed_at > STALE
    return Card(
        title=title,
        link=link,
        value=describe_short_age(state.refreshed_at, now=state.now),
        unit=_("old"),
        note=_("Hours, days and months are computed each minute"),
        kind=BAD if is_stale else OK,
        state=_("Stale") if is_stale else _("Fresh"),
    )


def _show_difference(state: HomeState) -> Card:
    title, link = _("Difference"), reverse("admin:telemetry_taskrun_changelist")
    balance = state.balance
    if balance is None:
        return Card(
            title, link, "\u2013", note=_("Not counted yet: the schedule counts each minute"),
            kind=UNKNOWN, state=_("Not known"),
        )  # fmt: skip
    sums = [
        ("", _("Received"), balance.received), ("=", _("stored"), balance.stored),
        ("+", _("duplicate"), balance.duplicate), ("+", _("dead-lettered"), balance.dead_lettered),
        ("+", _("in flight"), balance.in_flight),
    ]  # fmt: skip
    if balance.difference:
        sums.append(("+", _("not accounted for"), balance.difference))
    if balance.is_stale:
        at = f"{timezone.localtime(balance.at):%Y-%m-%d %H:%M}"
        kind, word, note = UNKNOWN, _("Not known"), _("Not known since %(at)s") % {"at": at}
    else:
        kind, note = (BAD, "") if balance.difference else (OK, "")
        word = _("Missing") if balance.difference else _("Balanced")
    return Card(
        title=title, link=link, value=write_count(balance.difference), unit=_("messages"),
        note=note, kind=kind, state=word,
        sums=[(sign, label, write_count(count)) for sign, label, count in sums],
    )  # fmt: skip
