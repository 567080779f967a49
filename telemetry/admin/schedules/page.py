"""The page "Schedules", and the button that runs a task at once."""

from typing import Any

import structlog
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError
from redis import RedisError
from unfold.decorators import action

from config.celery import app
from config.env import read_options
from config.options import RedisOptions
from config.queue import connect_redis
from telemetry.admin.confirm import ask_first
from telemetry.admin.readonly import ReadOnlyAdmin
from telemetry.admin.schedules.rows import Row, make_headline, make_row, name_task
from telemetry.changes.acts import TASK_SENT, record_act
from telemetry.core.batch import BEAT_KEY, MAINTENANCE_QUEUE
from telemetry.models import TaskHistory, TaskRun
from telemetry.store.operations.schedules import read_schedules

EXPIRES_S = 3_600  # nobody expects a run by hand to happen a day later
WHEN_IT_RUNS = _("It runs as soon as the maintenance pool is free; the schedule does not change.")
RUN = "telemetry.run_taskrun"

log = structlog.get_logger("telemetry.admin")


@admin.register(TaskRun)
class TaskRunAdmin(ReadOnlyAdmin):
    """All schedules in the place of a list; the page of a task has its whole result and error."""

    actions_detail = ["run_now"]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """What needs a person first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        schedules = read_schedules(now=now, grace_s=settings.OPTIONS.status.task_grace_s)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Schedules"), "now": now,
            "headline": make_headline(schedules, is_beating=_is_beating()),
            "rows": [self._link(request, make_row(one, now=now)) for one in schedules],
            "history_link": _list_link(TaskHistory, request),
            "entries_link": _list_link(PeriodicTask, request),
        }  # fmt: skip
        return TemplateResponse(request, "telemetry/admin/schedules.html", context)

    def _link(self, request: HttpRequest, row: Row) -> Row:
        """The row with what this user may open and do."""
        links = []
        if row.is_recorded:
            key = quote(row.task)
            if self.has_run_permission(request):
                links.append((gettext("Run now…"), reverse(_name("run_now"), args=[key])))
            links.append((gettext("Details"), reverse(_name("change"), args=[key])))
            past = _list_link(TaskHistory, request)
            links += [(gettext("Past runs"), f"{past}?{urlencode({'task': row.task})}")] * bool(
                past
            )
        if row.entry_id and request.user.has_perm("django_celery_beat.change_periodictask"):
            edit = reverse("admin:django_celery_beat_periodictask_change", args=[row.entry_id])
            links.append((gettext("Edit"), edit))
        row.links = links
        return row

    def has_run_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Whoever may see tasks and was given that permission."""
        return self.has_view_permission(request) and bool(request.user.has_perm(RUN))

    @action(description=_("Run now"), url_path="run-now", permissions=["run"], icon="play_arrow")
    def run_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask first, then send the task once."""
        run: Any = self.get_object(request, unquote(object_id))
        if run is None:
            raise Http404
        name = name_task(run.name)
        if request.method != "POST":
            question = gettext("Run “%(name)s” once, now?") % {"name": name}
            return ask_first(
                self, request, title=_("Run a task"), question=f"{question} {WHEN_IT_RUNS}",
                button=_("Run now"),
            )  # fmt: skip
        try:
            app.send_task(run.name, queue=MAINTENANCE_QUEUE, retry=False, expires=EXPIRES_S)
        except OperationalError:
            self.message_user(request, _("Redis does not answer: try again later."), messages.ERROR)
        else:
            log.info("task_sent_by_hand", task=run.name, user=request.user.get_username())
            record_act(run, act=TASK_SENT, user=request.user, after=f"{_format_utc()} UTC")
            text = gettext("“%(name)s” was sent. Its result will be listed here.")
            self.message_user(request, text % {"name": name}, messages.SUCCESS)
        return redirect(_name("changelist"))


def _format_utc() -> str:
    return f"{timezone.now():%Y-%m-%d %H:%M:%S}"


def _name(view: str) -> str:
    return f"admin:telemetry_taskrun_{view}"


def _list_link(model: Any, request: HttpRequest) -> str:
    """The address of a model's list; empty for who may not see it."""
    if not admin.site._registry[model].has_view_permission(request):
        return ""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _is_beating() -> bool | None:
    """Whether a beat holds the lock; None when Redis does not answer."""
    try:
        with connect_redis(read_options(RedisOptions)) as redis:
            return bool(redis.exists(BEAT_KEY + "active"))
    except (RedisError, OSError):
        return None
