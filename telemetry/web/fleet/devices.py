"""The list of an account's devices."""

from typing import Any

from django import forms
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page

from telemetry.assignments.former import name_formers
from telemetry.core.consumption import month_of
from telemetry.models import Account, DailyAggregate, Device, MonthlyConsumption
from telemetry.store.assignments.former import list_former_ids
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.filters import MOST_CHOICES, Filters, GatewayField
from telemetry.web.fleet.rows import DAY, read_rows, render_devices
from telemetry.web.fleet.states import (
    DEVICE_CONDITIONS,
    DeviceState,
    has_open_alarm,
)
from telemetry.web.long_select import LongSelect
from telemetry.web.paging import read_page

LIST = "telemetry/fleet/devices.html"
ALL = ("", _("All"))
ORDERS = {
    "device": ("code", "gateway__code"),
    "name": ("name", "code"),
    "gateway": ("gateway__code", "code"),
    "group": ("group", "gateway__code", "code"),
    "kind": ("kind", "gateway__code", "code"),
    "unit": ("unit", "gateway__code", "code"),
}
FIRST_ORDER = "gateway"
MOST_FORMERS = 200


class DeviceFilters(Filters):
    """Which devices are listed, and in which order."""

    gateway = GatewayField()
    group = forms.ChoiceField(label=_("Group"), required=False, widget=LongSelect)
    kind = forms.ChoiceField(label=_("Kind"), required=False, choices=[ALL, *Device.Kind.choices])
    state = forms.ChoiceField(label=_("State"), required=False, choices=[ALL, *DeviceState.choices])
    sort = forms.ChoiceField(
        label=_("Order"),
        required=False,
        choices=[(sign + name, name) for name in ORDERS for sign in ("", "-")],
        widget=forms.HiddenInput,
    )
    field_order = ("search", "gateway", "group", "kind", "state")

    def __init__(self, data: Any, *, account: Account) -> None:
        super().__init__(data, account=account)
        gateway, group = self.fields["gateway"], self.fields["group"]
        assert isinstance(gateway, GatewayField)
        assert isinstance(group, forms.ChoiceField)
        gateway.offer(account, chosen=self.data.get("gateway", ""))
        groups = Device.objects.filter(account=account).exclude(group="").order_by("group")
        names = groups.values_list("group", flat=True).distinct()[:MOST_CHOICES]
        group.choices = [ALL, *((name, name) for name in names)]

    def list_devices(self) -> QuerySet[Device]:
        """The account's devices that match, in order."""
        chosen = self.cleaned_data
        devices = Device.objects.filter(account=self.account).select_related("gateway")
        devices = devices.annotate(has_alarm=has_open_alarm())
        if search := chosen["search"]:
            devices = devices.filter(
                Q(code__icontains=search)
                | Q(name__icontains=search)
                | Q(gateway__code__icontains=search)
            )
        if chosen["gateway"]:
            devices = devices.filter(gateway_id=chosen["gateway"])
        if chosen["group"]:
            devices = devices.filter(group=chosen["group"])
        if chosen["kind"]:
            devices = devices.filter(kind=chosen["kind"])
        if chosen["state"]:
            devices = devices.filter(DEVICE_CONDITIONS[DeviceState(chosen["state"])])
        return devices.order_by(*self._order())

    def _order(self) -> list[Any]:
        sort = self.cleaned_data["sort"] or FIRST_ORDER
        fields = [F(name) for name in ORDERS[sort.removeprefix("-")]]
        first = fields[0].desc() if sort.startswith("-") else fields[0].asc()
        return [first, *fields[1:], "pk"]

    @property
    def is_filtering(self) -> bool:
        """An order alone hides nothing."""
        return any(self.cleaned_data.get(name) for name in self.field_order)


@gzip_page
@account_page()
def devices(request: AccountRequest) -> HttpResponse:
    """Devices with their newest reading and their consumption, a page of them."""
    filters = DeviceFilters(request.GET, account=request.account)
    if not filters.is_valid():
        return render(request, LIST, {"filters": filters}, status=400)
    devices = _with_consumption(filters.list_devices(), account=request.account)
    page = read_page(devices, number=filters.cleaned_data["page"], is_counted=True)
    rows = read_rows(page, account_id=request.account.pk, days_until=timezone.localdate() - DAY)
    context: dict[str, Any] = {
        "filters": filters,
        "page": page,
        "rows": rows,
        "lines": render_devices(rows, account=request.account),
        "sort": filters.cleaned_data["sort"] or FIRST_ORDER,
        "formers": [] if filters.is_filtering or page.has_next else _list_formers(request.account),
    }
    return render(request, LIST, context)


def _list_formers(account: Account) -> list[Device]:
    """Devices that moved to another account, of very many the first ones."""
    ids = list_former_ids(account.pk)[:MOST_FORMERS]
    return name_formers(account, ids) if ids else []


def _with_consumption(devices: QuerySet[Device], *, account: Account) -> QuerySet[Device]:
    """With the consumption of the account's local day and billing month, as of the last refresh."""
    today = timezone.localdate()
    mine = {"device_id": OuterRef("pk"), "account_id": account.pk}
    day = DailyAggregate.objects.filter(day=today, **mine)
    month = MonthlyConsumption.objects.filter(month=month_of(today, account.billing), **mine)
    return devices.annotate(
        today=Subquery(day.values("total")), this_month=Subquery(month.values("total"))
    )
