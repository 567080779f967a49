"""The ledger: batches and their daily sums, and hours to refresh."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateFilter, RangeDateTimeFilter
from unfold.decorators import display

from telemetry.admin.readonly import ReadOnlyAdmin
from telemetry.models import Batch, BatchDay, DirtyHour


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    """What became of every batch."""

    list_display = [
        "id", "source", "stored_at", "messages", "messages_stored", "messages_duplicate",
        "messages_rejected", "readings_stored", "dead_letters",
    ]  # fmt: skip
    list_filter = [["stored_at", RangeDateTimeFilter]]
    search_fields = ["=id", "=source"]
    search_help_text = _("The whole id of a batch, or the whole name of its source")


@admin.register(BatchDay)
class BatchDayAdmin(ReadOnlyAdmin):
    """Days whose batches were folded into sums."""

    list_display = [
        "day", "batches", "messages", "messages_stored", "messages_duplicate",
        "messages_rejected", "readings_stored", "dead_letters",
    ]  # fmt: skip
    list_filter = [["day", RangeDateFilter]]
    search_fields = ["day"]


@admin.register(DirtyHour)
class DirtyHourAdmin(ReadOnlyAdmin):
    """Hours whose aggregates will be computed again."""

    list_display = ["hour", "devices_count"]
    list_filter = [["hour", RangeDateTimeFilter]]

    @display(description=_("devices"))
    def devices_count(self, hour: DirtyHour) -> int:
        """How many devices are dirty in it."""
        return len(hour.device_ids)
