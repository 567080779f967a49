"""How the scheduled tasks ran, and a button that runs one of them."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display

from config.celery import app
from telemetry.admin.confirm import ask_first
from telemetry.admin.readonly import ReadOnlyAdmin, show_choice
from telemetry.core.batch import MAINTENANCE_QUEUE
from telemetry.models import TaskHistory, TaskRun
from telemetry.store.operations.pipeline_status import NEEDED_TASKS

EXPIRES_S = 3_600  # nobody expects a run by hand to happen a day later
ERROR_CHARACTERS = 80
WHEN_IT_RUNS = _("It runs as soon as the maintenance pool is free; the schedule does not change.")


@admin.register(TaskRun)
class TaskRunAdmin(ReadOnlyAdmin):
    """The last run of each scheduled task."""

    list_display = [
        "name", "state", "started_at", "success_at", "error_at", "duration_ms", "result", "history",
    ]  # fmt: skip
    search_fields = ["name", "error"]
    actions_detail = ["run_now"]

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """With a button for those who may press it."""
        columns = list(super().get_list_display(request))
        return [*columns, "run_link"] if self.has_run_permission(request) else columns

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskRun]:
        """With whether beat sends the task no more."""
        entries = PeriodicTask.objects.filter(task=OuterRef("name"), one_off=False)
        is_disabled = Exists(entries) & ~Exists(entries.filter(enabled=True))
        runs: QuerySet[TaskRun] = super().get_queryset(request)
        return runs.annotate(is_disabled=is_disabled)

    @display(
        description=_("state"),
        label={"ok": "success", "failing": "danger", "unknown": "info", "disabled": "warning"},
    )
    def state(self, run: TaskRun) -> tuple[str, Any]:
        """Whether the newest end was a success: the colour, and the text."""
        if run.is_disabled:  # type: ignore[attr-defined]  # annotated
            return ("failing" if run.name in NEEDED_TASKS else "disabled"), _("disabled")
        if run.error_at is None or (run.success_at is not None and run.success_at > run.error_at):
            return ("ok", _("ok")) if run.success_at else ("unknown", _("never ran"))
        return "failing", _("failing")

    @display(description=_("past runs"))
    def history(self, run: TaskRun) -> SafeString:
        """A link to them."""
        address = reverse("admin:telemetry_taskhistory_changelist")
        return format_html(
            '<a class="text-primary-600" href="{}?{}">{}</a>',
            address,
            urlencode({"task": run.name}),
            _("Show"),
        )

    @display(description=_("run"))
    def run_link(self, run: TaskRun) -> SafeString:
        """The button of a row. unfold's own menu of rows takes no keys with dots."""
        address = reverse("admin:telemetry_taskrun_run_now", args=[quote(run.pk)])
        return format_html('<a class="text-primary-600" href="{}">{}</a>', address, _("Run now"))

    def has_run_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Administrators only."""
        return bool(request.user.is_superuser)

    @action(description=_("Run now"), url_path="run-now", permissions=["run"], icon="play_arrow")
    def run_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask first, then send the task once."""
        run = self.get_object(request, unquote(object_id))
        if run is None:
            raise Http404
        if request.method != "POST":
            question = _("Send %(name)s once, now?") % {"name": run.name}
            return ask_first(
                self, request, title=_("Run a task"), question=f"{question} {WHEN_IT_RUNS}",
                button=_("Run now"),
            )  # fmt: skip
        try:
            app.send_task(run.name, queue=MAINTENANCE_QUEUE, retry=False, expires=EXPIRES_S)
        except OperationalError:
            self.message_user(request, _("Redis does not answer: try again later."), messages.ERROR)
        else:
            text = _("%(name)s was sent. Its result will be listed under past runs.")
            self.message_user(request, text % {"name": run.name}, messages.SUCCESS)
        return redirect("admin:telemetry_taskrun_changelist")


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
        "started_at", "task", "outcome_label", "rows", "duration_ms", "result", "short_error",
    ]  # fmt: skip
    outcome_label = show_choice(
        "outcome", _("outcome"), {"success": "success", "error": "danger", "busy": "warning"}
    )
    list_filter = [TaskFilter, "outcome", ["started_at", RangeDateTimeFilter]]
    sortable_by = ()

    @display(description=_("error"))
    def short_error(self, run: TaskHistory) -> str:
        """The start of the error."""
        return Truncator(run.error).chars(ERROR_CHARACTERS)
