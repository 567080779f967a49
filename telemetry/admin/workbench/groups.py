"""Groups of waiting dead letters: what each is about, and what can be done about it."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from kombu.exceptions import OperationalError
from redis import RedisError
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from telemetry.accounts.staff import sees_every_account
from telemetry.admin.readonly import ReadOnlyAdmin
from telemetry.admin.search import MacSearchMixin, find_groups
from telemetry.admin.workbench.payload import read_payload
from telemetry.admin.workbench.register import RegisterMixin
from telemetry.core.map_values import MAPPED
from telemetry.core.reasons import Reason
from telemetry.dead_letters.decide import (
    MOST_REPLAYED,
    discard_group,
    list_waiting,
    replay_group,
    undo_action,
)
from telemetry.dead_letters.details import describe_detail
from telemetry.dead_letters.dry_run import MOST_TRIED, try_waiting
from telemetry.dead_letters.mapping import Mapping, list_choices, replay_mapped, try_mapping
from telemetry.dead_letters.texts import NEXT_STEPS, choose_series, name_reason
from telemetry.models import DeadLetter, DeadLetterAction, DeadLetterGroup, Gateway
from telemetry.store.operations.summaries import count_groups_if_few

LIST = "admin:telemetry_deadlettergroup_changelist"
CHANGE = "telemetry.change_deadletter"


class ReasonFilter(admin.SimpleListFilter):
    """By reason, in words."""

    title = gettext_lazy("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(reason), name_reason(reason)) for reason in Reason]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(DeadLetterGroup)
class DeadLetterGroupAdmin(RegisterMixin, MacSearchMixin, ReadOnlyAdmin):
    """The workbench. Whoever may see dead letters sees it; whoever may change them decides."""

    list_display = ["about", "whose", "messages_count", "first_seen", "last_seen", "open_link"]
    list_filter = [ReasonFilter, ["account", AutocompleteSelectFilter]]
    list_select_related = ["account"]
    list_per_page = 20
    list_display_links = None
    search_fields = ["mac"]
    search_help_text = gettext_lazy("MAC in any form, gateway, account, or code of a device")
    list_before_template = "telemetry/admin/workbench.html"
    sortable_by = ["messages_count", "first_seen", "last_seen"]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("telemetry.view_deadletter") or request.user.has_perm(CHANGE)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetterGroup]:
        """With the code of the gateway, and the newest dead letter's detail."""
        groups: QuerySet[DeadLetterGroup] = super().get_queryset(request)
        newest = DeadLetter.objects.filter(
            reason=OuterRef("reason"), mac=OuterRef("mac"), state=DeadLetter.State.PENDING
        ).order_by("-last_seen", "-id")
        codes = Gateway.objects.filter(mac=OuterRef("mac"), account=OuterRef("account"))
        return groups.annotate(
            detail=Subquery(newest.values("detail")[:1]), code=Subquery(codes.values("code")[:1])
        )

    def get_urls(self) -> list[URLPattern]:
        """The group's own page, and what it does."""
        view = self.admin_site.admin_view
        return [
            path("<int:key>/open/", view(self.open_group), name="telemetry_deadlettergroup_open"),
            path("<int:key>/undo/", view(self.undo), name="telemetry_deadlettergroup_undo"),
            *super().get_urls(),
        ]

    def search_text(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        account = getattr(request, "given_account", None)
        return (find_groups(queryset, text, account=account) if text else queryset), False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Count again where that takes no time, and say what was decided last."""
        is_live = sees_every_account(request.user) and count_groups_if_few()
        last = DeadLetterAction.objects.select_related("user").first()
        context = {"last": last, "is_live": is_live, "may_decide": request.user.has_perm(CHANGE)}
        response: HttpResponse = super().changelist_view(
            request, {**context, **(extra_context or {})}
        )
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The group's own page is the only one."""
        return self.open_group(request, int(object_id)) if object_id.isdecimal() else redirect(LIST)

    @display(description=gettext_lazy("reason"))
    def about(self, group: Any) -> SafeString:
        """The reason in words, and what exactly."""
        detail = describe_detail(group.detail or "")[:120]
        return format_html(
            '<div class="tds-cell"><span class="tds-swatch series-{}"></span><b>{}</b><br>{}</div>',
            choose_series(group.reason), name_reason(group.reason), detail,
        )  # fmt: skip

    @display(description=gettext_lazy("gateway, account"))
    def whose(self, group: Any) -> SafeString:
        """Which gateway, and whose."""
        account = group.account.name if group.account_id else _("account not known")
        return format_html(
            '<div class="tds-cell"><b>{}</b><br>{}</div>',
            group.code or group.mac or _("no MAC"),
            account,
        )

    @display(description=gettext_lazy("messages"), ordering="messages")
    def messages_count(self, group: DeadLetterGroup) -> int:
        """How many messages came."""
        return group.messages

    @display(description=gettext_lazy("action"))
    def open_link(self, group: DeadLetterGroup) -> SafeString:
        """The next action."""
        if group.reason == Reason.UNKNOWN_GATEWAY and group.mac:
            address = reverse("admin:telemetry_deadlettergroup_register", args=[group.mac])
            return format_html(
                '<a class="tds-action" href="{}">{}</a>', address, _("Register gateway…")
            )
        address = reverse("admin:telemetry_deadlettergroup_open", args=[group.pk])
        return format_html('<a class="tds-action" href="{}">{}</a>', address, _("Open group"))

    def open_group(self, request: HttpRequest, key: int) -> HttpResponse:
        """The newest dead letter, why it was rejected, and the choices with their dry run."""
        group: Any = self.get_queryset(request).select_related("account").filter(pk=key).first()
        if group is None:
            if not self.has_view_permission(request):
                raise Http404
            self.message_user(request, _("Nothing waits there any more."), messages.INFO)
            return redirect(LIST)
        if not self.has_view_permission(request, group):
            raise Http404
        if request.method == "POST" and request.user.has_perm(CHANGE):
            return self._decide(request, group)
        newest = list_waiting(group).order_by("-last_seen", "-id").first()
        choices, mapping = list_choices(group), _read_mapping(request.GET, group)
        dry_run = mapped_run = None
        if mapping is not None:
            mapped_run = try_mapping(group, mapping, now=timezone.now())
        elif "dry_run" in request.GET:
            dry_run = try_waiting(list_waiting(group), now=timezone.now())
        context = {
            **self.admin_site.each_context(request),
            "title": _("Dead letters"), "opts": self.opts, "group": group,
            "name": name_reason(group.reason), "next_step": NEXT_STEPS.get(group.reason, ""),
            "newest": newest, "payload": read_payload(newest) if newest else None,
            "dry_run": dry_run, "reasons": _name_reasons(dry_run or mapped_run),
            "choices": choices, "mapping": mapping, "mapped_run": mapped_run,
            "most_tried": MOST_TRIED,
            "most_replayed": MOST_REPLAYED, "may_decide": request.user.has_perm(CHANGE),
            "is_unregistered": group.reason == Reason.UNKNOWN_GATEWAY and bool(group.mac),
        }  # fmt: skip
        return TemplateResponse(request, "telemetry/admin/group.html", context)

    def _decide(self, request: HttpRequest, group: DeadLetterGroup) -> HttpResponse:
        user: Any = request.user
        if "discard" in request.POST:
            note = request.POST.get("note", "").strip()[:500]
            if not note:
                self.message_user(request, _("Say why they are discarded."), messages.ERROR)
                return redirect("admin:telemetry_deadlettergroup_open", group.pk)
            action = discard_group(group, note=note, user=user)
            text = ngettext(
                "%(n)d dead letter discarded.", "%(n)d dead letters discarded.", action.dead_letters
            )
            self.message_user(request, text % {"n": action.dead_letters}, messages.SUCCESS)
            return redirect(LIST)
        mapping = _read_mapping(request.POST, group)
        try:
            if mapping is not None:
                replay = replay_mapped(group, mapping, user=user)
            else:
                replay = replay_group(group, user=user)[1]
        except (RedisError, OperationalError):
            text = _("Redis does not answer: what was not sent is still pending. Try again later.")
            self.message_user(request, text, messages.ERROR)
            return redirect(LIST)
        text = ngettext(
            "%(n)d dead letter sent again.", "%(n)d dead letters sent again.", replay.sent
        ) % {"n": replay.sent}
        if replay.hindrance:
            text += " " + _("The queue is full: the others are still pending. Try again later.")
        self.message_user(request, text, messages.SUCCESS if replay.sent else messages.WARNING)
        return redirect(LIST)

    def undo(self, request: HttpRequest, key: int) -> HttpResponse:
        """Let what was discarded wait again."""
        action = DeadLetterAction.objects.filter(pk=key).first()
        if request.method != "POST" or action is None or not request.user.has_perm(CHANGE):
            raise Http404
        count = undo_action(action, user=request.user)
        text = ngettext(
            "%(n)d dead letter pending again.", "%(n)d dead letters pending again.", count
        )
        self.message_user(
            request, text % {"n": count}, messages.SUCCESS if count else messages.WARNING
        )
        return redirect(LIST)


def _read_mapping(values: Any, group: DeadLetterGroup) -> Mapping | None:
    """What was chosen to be mapped; None where nothing was, or may be."""
    before, after = values.get("before", ""), values.get("after", "").strip()
    if not before or not after or group.reason not in MAPPED:
        return None
    return Mapping(MAPPED[Reason(group.reason)], before, after)


def _name_reasons(dry_run: Any) -> list[tuple[Any, int]]:
    if dry_run is None:
        return []
    return [(name_reason(reason), count) for reason, count in dry_run.rejected.items()]
