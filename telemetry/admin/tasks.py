"""Past runs of the scheduled tasks."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from telemetry.admin.readonly import ReadOnlyAdmin, show_choice
from telemetry.admin.schedules.results import describe_result
from telemetry.models import TaskHistory, TaskRun

ERROR_CHARACTERS = 80


class TaskFilter(admin.SimpleListFilter):
    """The tasks that are known, without a look through the whole history."""

    title = _("task")
    parameter_name = "task"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, name) for name in TaskRun.objects.values_list("name", flat=True)]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[TaskHistory]
    ) -> QuerySet[TaskHistory]:
        return queryset.filter(task=self.value()) if self.value() else queryset


@admin.register(TaskHistory)
class TaskHistoryAdmin(ReadOnlyAdmin):
    """Runs that did something, failed, or gave way to another run."""

    list_display = [
        "started_at", "task", "outcome_label", "rows", "duration_ms", "what_it_did", "short_error",
    ]  # fmt: skip
    outcome_label = show_choice(
        "outcome", _("outcome"), {"success": "success", "error": "danger", "busy": "warning"}
    )
    list_filter = [TaskFilter, "outcome", ["started_at", RangeDateTimeFilter]]
    sortable_by = ()

    @display(description=_("result"))
    def what_it_did(self, run: TaskHistory) -> str:
        """What it did, in words."""
        return describe_result(run.task, run.result) if run.result else ""

    @display(description=_("error"))
    def short_error(self, run: TaskHistory) -> str:
        """The start of the error."""
        return Truncator(run.error).chars(ERROR_CHARACTERS)
