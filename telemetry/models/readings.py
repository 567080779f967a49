"""Readings and their aggregates: relations made in SQL (`telemetry/sql/schema`), read only here.

The listings are views with a text key, because Django's admin has no composite keys.
"""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account
from telemetry.models.fleet import Device, Gateway


def link_without_constraint(
    model: type[models.Model], name: Any
) -> "models.ForeignKey[models.Model, models.Model]":
    """A reference without constraint, index or reverse name."""
    return models.ForeignKey(
        model,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        verbose_name=name,
    )


class _ReadingColumns(models.Model):
    time = models.DateTimeField(_("time"))
    received_at = models.DateTimeField(_("received at"))
    account = link_without_constraint(Account, _("account"))
    gateway = link_without_constraint(Gateway, _("gateway"))
    device = link_without_constraint(Device, _("device"))
    value = models.DecimalField(_("value"), max_digits=15, decimal_places=4)
    unit = models.CharField(_("unit"), max_length=10)
    raw = models.JSONField(_("raw"), null=True)

    class Meta:
        abstract = True


class Reading(_ReadingColumns):
    """A value of a device at an instant (the hypertable)."""

    pk = models.CompositePrimaryKey("device_id", "time")

    class Meta:
        db_table = "reading"
        managed = False
        verbose_name = _("reading")
        verbose_name_plural = _("readings")

    def __str__(self) -> str:
        return f"{self.device_id} {self.time:%Y-%m-%d %H:%M:%S} {self.value} {self.unit}"


class ReadingListing(_ReadingColumns):
    """A reading as the admin lists it. The key is `<device id>.<microseconds since 1970>`."""

    id = models.TextField(primary_key=True)

    class Meta:
        db_table = "reading_listing"
        managed = False
        verbose_name = _("reading")
        verbose_name_plural = _("readings")

    def __str__(self) -> str:
        return f"{self.device_id} {self.time:%Y-%m-%d %H:%M:%S} {self.value} {self.unit}"


class HourlyListing(models.Model):
    """An hourly aggregate as the admin lists it. The key is `<device id>.<hours since 1970>`."""

    id = models.TextField(primary_key=True)
    device = link_without_constraint(Device, _("device"))
    account = link_without_constraint(Account, _("account"))
    hour = models.DateTimeField(_("hour"))
    total = models.DecimalField(_("total"), max_digits=30, decimal_places=4)
    mean = models.DecimalField(_("mean"), max_digits=30, decimal_places=10)
    minimum = models.DecimalField(_("minimum"), max_digits=15, decimal_places=4)
    maximum = models.DecimalField(_("maximum"), max_digits=15, decimal_places=4)
    first = models.DecimalField(_("first"), max_digits=15, decimal_places=4)
    last = models.DecimalField(_("last"), max_digits=15, decimal_places=4)
    readings_count = models.BigIntegerField(_("readings"))

    class Meta:
        db_table = "hourly_listing"
        managed = False
        verbose_name = _("hourly aggregate")
        verbose_name_plural = _("hourly aggregates")

    def __str__(self) -> str:
        return f"{self.device_id} {self.hour:%Y-%m-%d %H:%M}"
