"""What retention dropped, and the page that shows what is stored."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class DroppedRange(models.Model):
    """Rows that retention dropped. Readings by chunk; aggregates all before `range_end`."""

    id = models.BigAutoField(primary_key=True)
    relation = models.CharField(_("relation"), max_length=63)
    range_start = models.DateTimeField(_("from"), null=True)
    range_end = models.DateTimeField(_("before"))
    rows = models.BigIntegerField(_("rows"))
    dropped_at = models.DateTimeField(_("dropped at"))

    class Meta:
        db_table = "dropped_range"
        ordering = ["-dropped_at", "-id"]
        verbose_name = _("dropped range")
        verbose_name_plural = _("dropped ranges")
        constraints = [
            models.UniqueConstraint(
                fields=["relation", "range_start", "range_end"],
                name="dropped_range_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.relation} {self.range_end:%Y-%m-%d}"


class Storage(models.Model):
    """No table: a page of the admin, with a permission of its own to view it."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = _("storage")
        verbose_name_plural = _("storage")

    def __str__(self) -> str:
        return "storage"
