"""Readings and hourly aggregates: newest first, through the indexes, whatever the size."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display

from telemetry.admin.edits import EditAction, ask_or_edit, may_edit, void_reading
from telemetry.admin.readonly import (
    COUNTED_ROWS,
    OrderedListMixin,
    ReadOnlyAdmin,
)
from telemetry.dead_letters.origin import find_origin
from telemetry.models import Device, HourlyListing, MonthlyConsumption, ReadingListing
from telemetry.store.reads.lookback import find_recent_span

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NARROWING = {
    "device__id__exact": "pk",
    "gateway__id__exact": "gateway_id",
    "account__id__exact": "account_id",
}
MOST_DEVICES = 5_000  # that a query names; the readings of more are found by time alone
PERIODS = (
    ("hour", _("last hour"), timedelta(hours=1)),
    ("week", _("last 7 days"), timedelta(days=7)),
    ("month", _("last 31 days"), timedelta(days=31)),
    ("year", _("last 400 days"), timedelta(days=400)),
)
DEFAULT_PERIOD = timedelta(days=1)


def parse_key(key: str) -> tuple[int, datetime] | None:
    """Device id and instant of a listing's key; None when it is none."""
    device_id, _separator, microseconds = key.partition(".")
    try:
        return int(device_id), EPOCH + timedelta(microseconds=int(microseconds))
    except (ValueError, OverflowError):
        return None


def chosen_span(request: HttpRequest) -> timedelta:
    """How far back the list goes at most."""
    spans = {key: span for key, _label, span in PERIODS}
    return spans.get(request.GET.get("period", ""), DEFAULT_PERIOD)


class PeriodFilter(admin.SimpleListFilter):
    """How far back the list goes: a bound on time keeps old chunks out of it."""

    title = _("period")
    parameter_name = "period"
    time_field = "time"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, label) for key, label, _span in PERIODS]

    def choices(self, changelist: Any) -> Any:
        """The first choice is the default, not everything."""
        for number, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": _("last day")} if number == 0 else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since = timezone.now() - chosen_span(request)
        return queryset.filter(**{f"{self.time_field}__gte": since})


class HourPeriodFilter(PeriodFilter):
    """The same for hours."""

    time_field = "hour"


class _ListingAdmin(OrderedListMixin, ReadOnlyAdmin):
    """A list of a view with a text key, ordered by time alone."""

    time_field = "time"
    list_per_page = 50

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return [f"-{self.time_field}"]

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Find by device and instant, which the key's text hides from the index."""
        key = parse_key(object_id)
        if key is None:
            return None
        rows = self.get_queryset(request).filter(device_id=key[0])
        return rows.filter(**{self.time_field: key[1]}).first()


def is_list(request: HttpRequest) -> bool:
    """Whether it asks for a list, and not for a page of one row."""
    match = request.resolver_match
    return match is not None and str(match.url_name).endswith("changelist")


def chosen_devices(request: HttpRequest) -> list[int] | None:
    """Ids of the devices that the filters leave; None when they leave all, or very many."""
    conditions = {
        field: request.GET[name]
        for name, field in NARROWING.items()
        if request.GET.get(name, "").isdecimal()
    }
    if not conditions:
        return None
    if "pk" in conditions:  # whatever account or gateway it has now
        conditions = {"pk": conditions["pk"]}
    ids = set(Device.objects.filter(**conditions).values_list("pk", flat=True)[: MOST_DEVICES + 1])
    if set(conditions) == {"account_id"}:  # and the devices that moved to another account since
        months = MonthlyConsumption.objects.filter(account_id=conditions["account_id"])
        ids.update(months.values_list("device_id", flat=True).distinct()[: MOST_DEVICES + 1])
    return sorted(ids) if len(ids) <= MOST_DEVICES else None


@admin.register(ReadingListing)
class ReadingAdmin(_ListingAdmin):
    """Readings, the newest ones of what is chosen; of the whole system when nothing is."""

    list_display = ["time", "device", "gateway", "account", "value", "unit", "received_at"]
    list_filter = [
        PeriodFilter, ["device", AutocompleteSelectFilter], ["gateway", AutocompleteSelectFilter],
        ["account", AutocompleteSelectFilter],
    ]  # fmt: skip
    list_select_related = ["device__gateway", "gateway", "account"]
    sortable_by = ()
    actions = ["void"]
    fields = [
        "time", "received_at", "account", "gateway", "device", "value", "unit", "raw", "origin",
    ]  # fmt: skip
    readonly_fields = ["origin"]

    @display(description=_("from a dead letter"))
    def origin(self, row: ReadingListing) -> SafeString | str:
        """A link to the dead letter that it was replayed from."""
        gateway: Any = row.gateway
        device: Any = row.device
        found = find_origin(
            device_id=device.pk,
            mac=gateway.mac,
            code=device.code,
            at=row.time,
            received_at=row.received_at,
        )
        if found is None:
            return "-"
        address = reverse("admin:telemetry_deadletter_change", args=[found.pk])
        return format_html('<a class="text-primary-600" href="{}">{}</a>', address, found)

    def has_edit_permission(self, request: HttpRequest) -> bool:
        """Who may void readings, although nobody changes these rows by hand."""
        return may_edit(request)

    @action(description=_("Void selected readings"), permissions=["edit"])
    def void(self, request: HttpRequest, rows: QuerySet[ReadingListing]) -> HttpResponse | None:
        """Ask first, then void each one; what was received is kept."""
        return ask_or_edit(
            self,
            request,
            rows,
            EditAction("void", _("Void readings"), _("Void")),
            change=lambda row, reason: void_reading(row, user=request.user, reason=reason),
            describe=lambda row: f"{row.account} / {row.gateway} / {row.device}: {row}",
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReadingListing]:
        """For a list, no more than can be paged through: the newest of what is chosen."""
        rows: QuerySet[ReadingListing] = super().get_queryset(request)
        if not is_list(request):
            return rows
        devices = chosen_devices(request)
        if devices is not None:
            rows = rows.filter(device_id__in=devices)
        span = find_recent_span(rows=COUNTED_ROWS, longest=chosen_span(request), device_ids=devices)
        rows = rows.filter(time__gte=timezone.now() - span)
        # To the last one that can be paged to: a minute of many gateways has more.
        last = rows.order_by("-time").values_list("time", flat=True)[COUNTED_ROWS - 1 :].first()
        return rows if last is None else rows.filter(time__gte=last)


@admin.register(HourlyListing)
class HourlyAdmin(_ListingAdmin):
    """Hourly aggregates."""

    time_field = "hour"
    list_display = [
        "hour", "device", "account", "total", "mean", "minimum", "maximum", "first", "last",
        "readings_count",
    ]  # fmt: skip
    list_filter = [
        HourPeriodFilter, ["device", AutocompleteSelectFilter],
        ["account", AutocompleteSelectFilter],
    ]  # fmt: skip
    list_select_related = ["device", "account"]
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[HourlyListing]:
        """For a list, of the devices that are chosen: hours are found by their devices. Those of
        more devices than are chosen at once are searched for."""
        rows: QuerySet[HourlyListing] = super().get_queryset(request)
        devices = chosen_devices(request) if is_list(request) else None
        return rows if devices is None else rows.filter(device_id__in=devices)
