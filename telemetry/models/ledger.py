"""The ledger, and the hours that the refresh must compute again or leave as they are."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.fleet import Device
from telemetry.models.readings import link_without_constraint

_MESSAGES_ADD_UP = Q(
    messages=F("messages_stored") + F("messages_duplicate") + F("messages_rejected")
)
_READINGS_ADD_UP = Q(
    readings=F("readings_stored") + F("readings_duplicate") + F("readings_rejected")
)


class Batch(models.Model):
    """A stored batch. A message counts as stored if one reading was, else as duplicate if one
    was, else as rejected. `source` is the bridge's client id, or `replay`.

    A row with a `second_part` is of a batch that was split: the positions of the messages that went
    into its second part. It has no messages itself."""

    id = models.TextField(_("id"), primary_key=True)
    source = models.TextField(_("source"))
    seq = models.BigIntegerField(_("number"))
    received_at = models.DateTimeField(_("received at"))
    stored_at = models.DateTimeField(_("stored at"))
    messages = models.IntegerField(_("messages"))
    messages_stored = models.IntegerField(_("messages stored"))
    messages_duplicate = models.IntegerField(_("messages duplicate"))
    messages_rejected = models.IntegerField(_("messages rejected"))
    readings = models.IntegerField(_("readings"))
    readings_stored = models.IntegerField(_("readings stored"))
    readings_duplicate = models.IntegerField(_("readings duplicate"))
    readings_rejected = models.IntegerField(_("readings rejected"))
    dead_letters = models.IntegerField(_("dead letters"))
    second_part = ArrayField(models.IntegerField(), verbose_name=_("second part"), null=True)

    class Meta:
        db_table = "batch"
        ordering = ["-stored_at"]
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        constraints = [
            models.CheckConstraint(condition=_MESSAGES_ADD_UP, name="batch_messages_add_up"),
            models.CheckConstraint(condition=_READINGS_ADD_UP, name="batch_readings_add_up"),
        ]
        indexes = [
            models.Index(fields=["stored_at"], name="batch_stored_at"),
            models.Index(fields=["seq"], name="batch_seq"),
            models.Index(
                fields=["received_at"], condition=models.Q(source="import"), name="batch_imported"
            ),
        ]

    def __str__(self) -> str:
        return self.id


class BatchDay(models.Model):
    """Batches of one UTC day, folded by `purge_ledger`."""

    day = models.DateField(_("day"), primary_key=True)
    batches = models.BigIntegerField(_("batches"))
    max_seq = models.BigIntegerField(_("highest number"))
    messages = models.BigIntegerField(_("messages"))
    messages_stored = models.BigIntegerField(_("messages stored"))
    messages_duplicate = models.BigIntegerField(_("messages duplicate"))
    messages_rejected = models.BigIntegerField(_("messages rejected"))
    readings = models.BigIntegerField(_("readings"))
    readings_stored = models.BigIntegerField(_("readings stored"))
    readings_duplicate = models.BigIntegerField(_("readings duplicate"))
    readings_rejected = models.BigIntegerField(_("readings rejected"))
    dead_letters = models.BigIntegerField(_("dead letters"))

    class Meta:
        db_table = "batch_day"
        ordering = ["-day"]
        verbose_name = _("day of batches")
        verbose_name_plural = _("days of batches")
        constraints = [
            models.CheckConstraint(condition=_MESSAGES_ADD_UP, name="batch_day_messages_add_up"),
            models.CheckConstraint(condition=_READINGS_ADD_UP, name="batch_day_readings_add_up"),
        ]

    def __str__(self) -> str:
        return str(self.day)


class DirtyHour(models.Model):
    """An hour whose readings must be aggregated again. Rows are only added and removed.

    Of readings that were stored, unless it says what else made it dirty: an edit, a change of the
    meter, a move of the gateway, or a `cause` of `MonthAdjustment.Cause`. `since_ms`: how far into
    the hour the earliest of these readings is, for each of the devices; null where anything in the
    hour may have changed.
    """

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField(_("hour"))
    device_ids = ArrayField(models.BigIntegerField(), verbose_name=_("devices"))
    since_ms = ArrayField(models.IntegerField(), verbose_name=_("since"), null=True)
    edit_id = models.BigIntegerField(_("edit"), null=True)
    installation_id = models.BigIntegerField(_("installation"), null=True)
    moved_at = models.DateTimeField(_("gateway moved at"), null=True)
    cause = models.CharField(_("cause"), max_length=10, blank=True, default="", db_default="")

    class Meta:
        db_table = "dirty_hour"
        ordering = ["hour", "id"]
        verbose_name = _("hour to refresh")
        verbose_name_plural = _("hours to refresh")
        indexes = [models.Index(fields=["hour", "id"], name="dirty_hour_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}"


class FrozenHour(models.Model):
    """Late readings of an hour whose other readings were dropped: stored, but in no aggregate."""

    device = link_without_constraint(Device, _("device"))
    hour = models.DateTimeField(_("hour"))
    dropped_before = models.DateTimeField(_("dropped before"))
    recorded_at = models.DateTimeField(_("recorded at"), db_default=Now())

    class Meta:
        db_table = "frozen_hour"
        ordering = ["-recorded_at", "-id"]
        verbose_name = _("frozen hour")
        verbose_name_plural = _("frozen hours")
        constraints = [
            models.UniqueConstraint(fields=["device", "hour"], name="frozen_hour_device_hour")
        ]

    def __str__(self) -> str:
        return f"{self.device_id} {self.hour:%Y-%m-%d %H:%M}"
