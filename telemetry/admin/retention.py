"""The page "Storage": what is stored, how long it is kept, what is dropped next."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from config.env import read_options
from config.options import DatabaseOptions, RetentionOptions
from telemetry.admin.readonly import ReadOnlyAdmin
from telemetry.models import DroppedRange, Storage
from telemetry.store.db.connection import open_connection
from telemetry.store.retention.apply import RetentionPlan, RetentionRuleError, plan_retention
from telemetry.store.retention.chunks import find_first_end
from telemetry.store.retention.sizes import RelationSize, read_sizes

TIMEOUT_S = 20
NAMES = {
    "reading": _("readings"),
    "hourly_aggregate": _("hourly aggregates"),
    "hourly_consumption": _("hourly consumption"),
    "daily_aggregate": _("daily aggregates"),
    "monthly_total": _("months"),
    "dead_letter": _("dead letters"),
    "batch": _("ledger"),
    "batch_day": _("ledger, folded"),
}
HEADERS = (
    _("relation"), _("rows (estimate)"), _("table"), _("indexes"), _("total"), _("bytes a row"),
    _("compressed"), _("ratio"), _("chunks"), _("oldest"), _("newest"),
)  # fmt: skip


@admin.register(Storage)
class StorageAdmin(ReadOnlyAdmin):
    """One page and no rows."""

    def get_urls(self) -> list[URLPattern]:
        """The page in the place of a list."""
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name="telemetry_storage_changelist")]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Sizes, settings and what is due."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": _("Storage"),
            "opts": self.opts,
            **_read_page(read_options(RetentionOptions), now=timezone.now()),
        }
        return TemplateResponse(request, "telemetry/admin/storage.html", context)


@admin.register(DroppedRange)
class DroppedRangeAdmin(ReadOnlyAdmin):
    """What retention dropped."""

    list_display = ["dropped_at", "relation", "range_start", "range_end", "rows"]
    list_filter = [["dropped_at", RangeDateTimeFilter]]
    search_fields = ["=relation"]


def _read_page(options: RetentionOptions, *, now: datetime) -> dict[str, Any]:
    try:
        with open_connection(
            read_options(DatabaseOptions).url, name="tds-storage", statement_timeout_s=TIMEOUT_S
        ) as connection:
            sizes = read_sizes(connection)
            plan = plan_retention(connection, options=options, now=now)
            first = find_first_end(connection)
    except (psycopg.Error, RetentionRuleError) as error:
        return {"error": str(error).strip()}
    return {
        "table": {"headers": HEADERS, "rows": [_list_cells(size) for size in sizes]},
        "facts": _list_facts(options, plan, first_end=first, now=now),
    }


def _list_cells(size: RelationSize) -> list[str]:
    return [
        str(NAMES[size.name]),
        _format_number(size.rows),
        filesizeformat(size.table_bytes),
        filesizeformat(size.index_bytes),
        filesizeformat(size.total_bytes),
        _format_number(size.bytes_a_row) if size.rows != 0 else "-",
        filesizeformat(size.after_bytes) if size.after_bytes else "-",
        f"{size.ratio} : 1" if size.ratio else "-",
        _format_chunks(size),
        _format_time(size.oldest),
        _format_time(size.newest),
    ]


def _format_number(number: int | None) -> str:
    return "?" if number is None else number_format(number, force_grouping=True)


def _format_chunks(size: RelationSize) -> str:
    if size.chunks is None:
        return "-"
    compressed = gettext("%(n)d compressed") % {"n": size.compressed_chunks}
    return f"{size.chunks} ({compressed})" if size.compressed_chunks else str(size.chunks)


def _format_time(at: Any) -> str:
    if at is None:
        return "-"
    return f"{at:%Y-%m-%d %H:%M} UTC" if isinstance(at, datetime) else f"{at:%Y-%m-%d}"


def _list_facts(
    options: RetentionOptions, plan: RetentionPlan, *, first_end: datetime | None, now: datetime
) -> list[tuple[Any, str]]:
    return [
        (_("Edition of TimescaleDB"), plan.edition),
        (_("Readings are kept (RAW_RETENTION_DAYS)"), _format_days(options.raw_days)),
        (
            _("Hours and days are kept (AGGREGATE_RETENTION_DAYS)"),
            _format_days(options.aggregate_days),
        ),
        (_("Months are kept"), gettext("for ever")),
        (_("Readings are compressed (COMPRESS_AFTER_DAYS)"), _describe_compression(options, plan)),
        (_("Next drop of readings"), _describe_next_drop(options, plan, first_end)),
        (
            _("Next drop of hours and days"),
            gettext("before %(at)s") % {"at": _format_time(plan.aggregates_before)}
            if plan.aggregates_before
            else "-",
        ),
        (_("Chunks to compress"), str(len(plan.compress))),
    ]


def _format_days(days: int) -> str:
    return gettext("%(days)d days") % {"days": days} if days else gettext("for ever")


def _describe_compression(options: RetentionOptions, plan: RetentionPlan) -> str:
    if plan.unavailable:
        return plan.unavailable
    days = options.compress_after_days
    return gettext("after %(days)d days") % {"days": days} if days else gettext("never")


def _describe_next_drop(
    options: RetentionOptions, plan: RetentionPlan, first_end: datetime | None
) -> str:
    if plan.waits:
        return plan.waits
    if plan.raw:
        return gettext(
            "%(n)d chunks, %(first)s to %(last)s, with the next run of apply_retention"
        ) % {
            "n": len(plan.raw),
            "first": f"{plan.raw[0].start:%Y-%m-%d}",
            "last": f"{plan.raw[-1].start:%Y-%m-%d}",
        }
    if not options.raw_days or first_end is None:
        return "-"
    day = first_end - timedelta(days=1)
    return gettext("readings of %(day)s, on %(at)s") % {
        "day": f"{day:%Y-%m-%d}",
        "at": _format_time(first_end + timedelta(days=options.raw_days)),
    }
