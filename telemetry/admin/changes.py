"""Every change that somebody made, in one list: who, what, from what to what."""

from typing import Any

from auditlog.models import LogEntry
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from telemetry.admin.own_users import OwnUserFilter
from telemetry.admin.readonly import ReadOnlyAdmin
from telemetry.changes.texts import list_fields, name_action, name_actor
from telemetry.changes.tracking import TRACKED
from telemetry.models import SignInFailure, TaskRun

admin.site.unregister(LogEntry)

OF_ACTS = (TaskRun, SignInFailure)
"""What is run or lifted, and not changed."""


class KindFilter(admin.SimpleListFilter):
    """By what was changed."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        models = [*(model for model, _options in TRACKED), *OF_ACTS]
        return [(model._meta.model_name, model._meta.verbose_name) for model in models]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(content_type__model=self.value()) if self.value() else queryset


@admin.register(LogEntry)
class ChangeAdmin(ReadOnlyAdmin):
    """The list. Nothing in it is changed or deleted."""

    list_display = ["timestamp", "who", "kind", "thing", "done", "what"]
    list_filter = [
        KindFilter, ["actor", OwnUserFilter], ["timestamp", RangeDateTimeFilter],
    ]  # fmt: skip
    list_select_related = ["actor", "content_type"]
    list_per_page = 50
    search_fields = ["object_repr", "actor__username", "=object_pk"]
    search_help_text = _("Part of the name of what was changed or who did it; a whole key")
    fields = ["timestamp", "who", "kind", "thing", "done", "what"]
    sortable_by = ()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """By a name for people."""
        context = {"title": _("Changes"), **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    @display(description=_("who"))
    def who(self, entry: LogEntry) -> str:
        """Who did it."""
        return name_actor(entry)

    @display(description=_("kind"))
    def kind(self, entry: LogEntry) -> str:
        """What was changed."""
        return str(entry.content_type.name)

    @display(description=_("what"))
    def thing(self, entry: LogEntry) -> str:
        """What it was called then."""
        return str(entry.object_repr)

    @display(description=_("done"))
    def done(self, entry: LogEntry) -> str:
        """Whether it was made, changed or deleted."""
        return name_action(entry)

    @display(description=_("from what to what"))
    def what(self, entry: LogEntry) -> SafeString:
        """The fields that changed."""
        rows = ((one.name, one.before, one.after) for one in list_fields(entry))
        return format_html_join("", "<div>{}: {} → <b>{}</b></div>", rows)
