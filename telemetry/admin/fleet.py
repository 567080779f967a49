"""Gateways with their devices, presence and last readings."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from telemetry.accounts.staff import name_given
from telemetry.admin.csv_files import CsvMixin
from telemetry.admin.deactivate import DeactivateMixin
from telemetry.admin.known_values import KnownValuesFilter
from telemetry.admin.readonly import CappedPaginator, ReadOnlyAdmin, show_choice
from telemetry.admin.search import MacSearchMixin, find_devices, find_gateways
from telemetry.admin.why import WhyMixin
from telemetry.fleet.macs import check_mac_free
from telemetry.installations.changing import check_settings_kept
from telemetry.installations.texts import InstallationError
from telemetry.models import Device, Gateway, GatewayEvent, Installation, Reading

LISTED = 10


def list_devices_with_readings(devices: Iterable[Device]) -> list[Device]:
    """The devices that must not be deleted."""
    return [device for device in devices if Reading.objects.filter(device_id=device.pk).exists()]


class GatewayForm(forms.ModelForm):  # type: ignore[type-arg]
    """A gateway, whose MAC no other one has, not even one that is not to be seen."""

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if "mac" in self.cleaned_data and "mac" not in self.errors:
            try:
                check_mac_free(self.instance)
            except ValidationError as error:
                self.add_error(None, error)


class DeviceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A device, whose way of measuring is changed in place only while it has no readings."""

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        try:
            check_settings_kept(self.instance)
        except InstallationError as error:
            self.add_error(None, ValidationError(str(error)))


class DeviceInline(TabularInline):  # type: ignore[misc]
    """The devices behind a gateway. One with readings is deactivated, not deleted."""

    model = Device
    form = DeviceForm
    fields = ["code", "name", "kind", "measurement", "unit", "is_active"]
    extra = 0
    can_delete = False
    show_change_link = True
    tab = True


@admin.register(Gateway)
class GatewayAdmin(CsvMixin, DeactivateMixin, WhyMixin, MacSearchMixin, ModelAdmin):  # type: ignore[misc]
    """Gateways: register, deactivate, see whether they are online."""

    form = GatewayForm
    list_display = [
        "code", "mac", "name", "account", "online", "last_seen", "is_active", "why_link",
    ]  # fmt: skip
    list_filter = ["is_online", "is_active", ["account", AutocompleteSelectFilter]]
    paginator: Any = CappedPaginator
    show_full_result_count = False
    list_filter_submit = True
    list_select_related = ["account"]
    search_fields = ["code", "mac", "name", "location", "account__name"]
    autocomplete_fields = ["account"]
    readonly_fields = ["is_online", "last_seen", "last_events", "last_readings"]
    inlines = [DeviceInline]
    fieldsets = [
        (None, {"fields": ["account", "code", "mac", "name", "location", "is_active"]}),
        (_("Limits"), {"fields": ["max_devices", "offline_after_s", "firmware_version"]}),
        (_("Presence"), {"fields": ["is_online", "last_seen", "last_events", "last_readings"]}),
    ]

    def search_text(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """In one look, however many there are; for staff of some accounts, among theirs of now."""
        text, queryset = search_term.strip(), name_given(request, queryset)
        return (find_gateways(queryset, text) if text else queryset), False

    @display(
        description=_("state"),
        ordering="is_online",
        label={"online": "success", "offline": "danger", "unknown": "warning"},
    )
    def online(self, gateway: Gateway) -> tuple[str, Any]:
        """Online, offline, or never seen: the colour, and the text."""
        if gateway.last_seen is None:
            return "unknown", _("never seen")
        if gateway.is_online:
            return "online", _("online")
        return "offline", _("offline")

    @display(description=_("last events"))
    def last_events(self, gateway: Gateway) -> SafeString:
        """Its newest changes of state."""
        events = gateway.events.order_by("-at")[:LISTED]
        return render_to_string("telemetry/admin/gateway_events.html", {"events": events})

    @display(description=_("last readings"))
    def last_readings(self, gateway: Gateway) -> SafeString:
        """The newest reading of each of its devices."""
        newest = [
            (device, Reading.objects.filter(device_id=device.pk).order_by("-time").first())
            for device in gateway.devices.all()[:LISTED]
        ]
        context = {"gateway": gateway, "newest": newest}
        return render_to_string("telemetry/admin/gateway_readings.html", context)


@admin.register(Device)
class DeviceAdmin(CsvMixin, DeactivateMixin, WhyMixin, MacSearchMixin, ModelAdmin):  # type: ignore[misc]
    """Devices: what is measured, in which unit, with which limits."""

    form = DeviceForm
    mac_field = "gateway__mac"
    paginator: Any = CappedPaginator
    show_full_result_count = False
    list_display = [
        "code", "name", "gateway", "account", "group", "kind", "measurement", "unit", "is_active",
        "why_link",
    ]  # fmt: skip
    list_filter = [
        ["group", KnownValuesFilter], "kind", "measurement", "is_active",
        ["unit", KnownValuesFilter],
        ["account", AutocompleteSelectFilter], ["gateway", AutocompleteSelectFilter],
    ]  # fmt: skip
    list_filter_submit = True
    list_select_related = ["gateway", "account"]
    search_fields = ["code", "name", "group", "gateway__code", "gateway__mac", "account__name"]
    autocomplete_fields = ["gateway"]
    readonly_fields = ["account"]

    def search_text(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """In one look, however many there are; for staff of some accounts, among theirs of now."""
        text, queryset = search_term.strip(), name_given(request, queryset)
        return (find_devices(queryset, text) if text else queryset), False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A device stays at its gateway: its readings name both."""
        return ["account"] if obj is None else ["gateway", "account"]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the devices that have readings, so that they are not deleted."""
        deleted, counts, perms_needed, protected = super().get_deleted_objects(objs, request)
        perms_needed.discard(Installation._meta.verbose_name)  # a device's own: it goes with it
        protected_devices = [
            _("%(device)s has readings: deactivate it instead") % {"device": device}
            for device in list_devices_with_readings(objs)
        ]
        return deleted, counts, perms_needed, [*protected, *protected_devices]


@admin.register(GatewayEvent)
class GatewayEventAdmin(MacSearchMixin, ReadOnlyAdmin):
    """When gateways came and went."""

    list_display = ["at", "gateway", "kind_label", "last_seen"]
    list_filter = ["kind", ["gateway", AutocompleteSelectFilter], ["at", RangeDateTimeFilter]]
    list_select_related = ["gateway"]
    mac_field = "gateway__mac"
    search_fields = ["gateway__code", "gateway__mac"]
    kind_label = show_choice("kind", _("kind"), {"online": "success", "offline": "danger"})
