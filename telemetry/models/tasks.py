"""How the scheduled tasks ran. Written by workers."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class TaskRun(models.Model):
    """The last run of each scheduled task. A run that found another one active is no success."""

    name = models.CharField(_("task"), max_length=200, primary_key=True)
    created_at = models.DateTimeField(_("known since"), db_default=Now(), editable=False)
    started_at = models.DateTimeField(_("started at"), null=True)
    success_at = models.DateTimeField(_("last success"), null=True)
    error_at = models.DateTimeField(_("last error at"), null=True)
    error = models.TextField(_("last error"), blank=True, default="")
    duration_ms = models.IntegerField(_("duration (ms)"), default=0)
    result = models.JSONField(_("result"), default=dict)

    class Meta:
        db_table = "task_run"
        ordering = ["name"]
        verbose_name = _("task run")
        verbose_name_plural = _("task runs")
        permissions = [("run_taskrun", "Can run scheduled tasks at once")]

    def __str__(self) -> str:
        return self.name


class TaskHistory(models.Model):
    """A run that ended. Of tasks that run every minute or more often, only runs that did something,
    failed or found another run active; `purge_ledger` deletes old ones."""

    class Outcome(models.TextChoices):
        SUCCESS = "success", _("success")
        ERROR = "error", _("error")
        BUSY = "busy", _("another run was active")

    id = models.BigAutoField(primary_key=True)
    task = models.CharField(_("task"), max_length=200)
    started_at = models.DateTimeField(_("started at"))
    duration_ms = models.IntegerField(_("duration (ms)"))
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome)
    rows = models.BigIntegerField(_("rows"), default=0)
    result = models.JSONField(_("result"), default=dict)
    error = models.TextField(_("error"), blank=True, default="")

    class Meta:
        db_table = "task_history"
        ordering = ["-started_at", "-id"]
        verbose_name = _("past run")
        verbose_name_plural = _("past runs")
        indexes = [
            models.Index(fields=["started_at", "id"], name="task_history_started"),
            models.Index(fields=["task", "started_at", "id"], name="task_history_task"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.started_at:%Y-%m-%d %H:%M:%S}"
