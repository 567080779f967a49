"""Dead letters: show, replay, discard, return to pending."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import F, Func, IntegerField, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy
from kombu.exceptions import OperationalError
from redis import RedisError
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import action, display

from telemetry.accounts.staff import name_given
from telemetry.admin.confirm import ask_first
from telemetry.admin.edits import EditAction, ask_or_edit, may_edit
from telemetry.admin.readonly import CappedPaginator, show_choice
from telemetry.admin.search import MacSearchMixin
from telemetry.admin.workbench.editing import EditMixin
from telemetry.admin.workbench.payload import PayloadMixin
from telemetry.dead_letters.decide import find_action
from telemetry.dead_letters.details import describe_detail
from telemetry.dead_letters.discard import discard_dead_letters, return_to_pending
from telemetry.dead_letters.replay import replay_dead_letters
from telemetry.edits.conflicts import take_value
from telemetry.models import DeadLetter
from telemetry.store.operations.summaries import NEWEST_SEARCHED

DETAIL_CHARACTERS = 80
DISCARDED = ngettext_lazy("%(n)d dead letter discarded.", "%(n)d dead letters discarded.", "n")
RETURNED = ngettext_lazy(
    "%(n)d dead letter pending again.", "%(n)d dead letters pending again.", "n"
)
SENT = ngettext_lazy("%(n)d dead letter sent again.", "%(n)d dead letters sent again.", "n")
FULL = _("%(n)d sent. The queue is full: the others are still pending. Try again later.")
ONLY_PENDING = _(
    "Only pending ones are discarded. They stay listed and can be returned to pending."
)
LISTED = 20
CONFIRMED = _("Discard this dead letter?")


@admin.register(DeadLetter)
class DeadLetterAdmin(PayloadMixin, EditMixin, MacSearchMixin, ModelAdmin):  # type: ignore[misc]
    """Nothing here is edited or deleted: the totals count every dead letter. Only the actions
    change a state, and they need the permission to change."""

    list_display = [
        "reason", "state_label", "mac", "device_code", "account", "occurrences", "last_seen",
        "payload_bytes", "short_detail",
    ]  # fmt: skip
    list_filter = [
        ["reason", ChoicesDropdownFilter], ["state", ChoicesDropdownFilter],
        ["account", AutocompleteSelectFilter], ["last_seen", RangeDateTimeFilter],
    ]  # fmt: skip
    list_filter_submit = True
    paginator: Any = CappedPaginator
    show_full_result_count = False
    found_first = ("-last_seen", "-id")
    search_fields = ["=mac", "=device_code", "topic", "detail"]
    search_help_text = _(
        "MAC in any form; or a device code (whole), a part of topic or detail, in the newest 5,000"
    )
    actions = ["replay", "discard", "take_back", "take_value"]
    actions_submit_line = ["replay_one", "discard_one", "take_back_one"]
    fields = [
        "reason", "said_detail", "state", "topic", "mac", "device_code", "gateway", "account",
        "occurrences", "first_seen", "last_seen", "handled_by", "handled_at", "payload_bytes",
        "payload_view", "payload_download", "edit_link", "decision",
    ]  # fmt: skip
    readonly_fields = fields
    state_label = show_choice(
        "state",
        _("state"),
        {"pending": "warning", "replayed": "success", "discarded": "info", "taken": "success"},
        ordering="state",
    )

    def narrow_search(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Texts among the newest alone."""
        newest = name_given(request, DeadLetter.objects.order_by("-last_seen", "-id"))
        return queryset.filter(pk__in=newest.values("pk")[:NEWEST_SEARCHED])

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Without the payloads, which only the page of one dead letter shows."""
        rows: QuerySet[DeadLetter] = super().get_queryset(request)
        size = Func(F("payload"), function="octet_length", output_field=IntegerField())
        rows = name_given(request, rows).select_related("account", "gateway", "handled_by")
        return rows.defer("payload").annotate(size_bytes=size)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Without the buttons that save: every field is read only."""
        context.update(show_save=False, show_save_and_continue=False)
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def save_model(self, request: HttpRequest, obj: DeadLetter, form: Any, change: Any) -> None:
        """Run the pressed button. Saving the row would set back what a worker counts meanwhile."""
        for button in self.get_actions_submit_line(request, obj.pk):
            if button.action_name in request.POST:
                button.method(request, obj)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """No entry for a form without fields; the row itself says who and when."""
        return None

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Back to the list; the button's own message says what happened."""
        response: HttpResponse = self.response_post_save_change(request, obj)
        return response

    @display(description=_("bytes"))
    def payload_bytes(self, row: DeadLetter) -> int:
        """Size of the payload."""
        return int(getattr(row, "size_bytes", 0))

    @display(description=_("detail"))
    def short_detail(self, row: DeadLetter) -> str:
        """The start of the detail."""
        return Truncator(describe_detail(row.detail)).chars(DETAIL_CHARACTERS)

    @display(description=_("detail"))
    def said_detail(self, row: DeadLetter) -> str:
        """What exactly was wrong, in the reader's language."""
        return describe_detail(row.detail)

    @display(description=_("why it was decided so"))
    def decision(self, row: DeadLetter) -> str:
        """The reason that was given for all of its group."""
        found = find_action(row)
        return found.note if found is not None and found.note else "-"

    @action(description=_("Replay selected dead letters"), permissions=["change"])
    def replay(self, request: HttpRequest, rows: QuerySet[DeadLetter]) -> None:
        """Send the pending ones of the selection again."""
        user: Any = request.user
        ids = list(_keys(rows))
        try:
            replay = replay_dead_letters(DeadLetter.objects.filter(pk__in=ids), user=user)
        except (RedisError, OperationalError):
            self.message_user(
                request,
                _("Redis does not answer: what was not sent is still pending. Try again later."),
                messages.ERROR,
            )
            return
        if replay.hindrance:
            self.message_user(request, FULL % {"n": replay.sent}, messages.WARNING)
            return
        self._report(request, replay.sent, SENT, total=len(ids))

    @action(description=_("Discard selected dead letters"), permissions=["change"])
    def discard(self, request: HttpRequest, rows: QuerySet[DeadLetter]) -> HttpResponse | None:
        """Ask first, then discard the pending ones of the selection."""
        total = rows.count()
        if "confirmed" in request.POST:
            count = discard_dead_letters(rows, user=request.user)
            self._report(request, count, DISCARDED, total=total)
            return None
        question = ngettext(
            "Discard %(counter)s dead letter?", "Discard %(counter)s dead letters?", total
        ) % {"counter": total}
        return ask_first(
            self,
            request,
            title=_("Discard dead letters"),
            question=f"{question} {ONLY_PENDING}",
            button=_("Discard"),
            action="discard",
            ids=_keys(rows),
            rows=[
                f"{row.reason} {row.mac} {row.device_code} {row.last_seen:%Y-%m-%d %H:%M:%S}"
                for row in rows[:LISTED]
            ],
        )

    @action(description=_("Return selected dead letters to pending"), permissions=["change"])
    def take_back(self, request: HttpRequest, rows: QuerySet[DeadLetter]) -> None:
        """Undo a discard, or a replay."""
        total = rows.count()
        self._report(request, return_to_pending(rows, user=request.user), RETURNED, total=total)

    def has_edit_permission(self, request: HttpRequest) -> bool:
        """Who may substitute readings."""
        return may_edit(request)

    @action(description=_("Take the values of selected conflicts"), permissions=["edit"])
    def take_value(self, request: HttpRequest, rows: QuerySet[DeadLetter]) -> HttpResponse | None:
        """Ask first, then substitute each stored reading by the one that was rejected."""
        return ask_or_edit(
            self,
            request,
            rows,
            EditAction("take_value", _("Take the rejected values"), _("Take")),
            change=lambda row, reason: take_value(row, user=request.user, reason=reason),  # type: ignore[arg-type]
            describe=lambda row: f"{row.mac} {row.device_code}: {describe_detail(row.detail)}",
        )

    @action(description=_("Replay"), permissions=["change"])
    def replay_one(self, request: HttpRequest, row: DeadLetter) -> None:
        """Send this one again."""
        self.replay(request, DeadLetter.objects.filter(pk=row.pk))

    @action(description=_("Discard"), permissions=["change"], attrs={"data-confirm": CONFIRMED})
    def discard_one(self, request: HttpRequest, row: DeadLetter) -> None:
        """Discard this one."""
        count = discard_dead_letters(DeadLetter.objects.filter(pk=row.pk), user=request.user)
        self._report(request, count, DISCARDED, total=1)

    @action(description=_("Return to pending"), permissions=["change"])
    def take_back_one(self, request: HttpRequest, row: DeadLetter) -> None:
        """Undo."""
        self.take_back(request, DeadLetter.objects.filter(pk=row.pk))

    def _report(self, request: HttpRequest, count: int, done: Any, *, total: int) -> None:
        text = done % {"n": count}
        if count < total:
            text += " " + _("%(n)d unchanged: their state did not allow it.") % {"n": total - count}
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)


def _keys(rows: QuerySet[DeadLetter]) -> QuerySet[DeadLetter, int]:
    return rows.values_list("pk", flat=True)
