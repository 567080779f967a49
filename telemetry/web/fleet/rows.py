"""Devices with their newest readings, listed without a template: it is slow for so many cells."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from msgspec import Struct

from telemetry.models import Account, DailyAggregate, Device
from telemetry.store.reads.latest_by_device import NewestReading, read_newest
from telemetry.templatetags.formatting import exact, figure, short_age
from telemetry.web.fleet.states import DeviceState, find_device_state
from telemetry.web.formatting import NONE
from telemetry.web.paging import Page

DAY = timedelta(days=1)
DAYS_DRAWN = 14
MEASUREMENTS = {
    Device.Measurement.DELTA: gettext_lazy("delta"),
    Device.Measurement.CUMULATIVE: gettext_lazy("cumulative"),
    Device.Measurement.GAUGE: gettext_lazy("gauge"),
}


class DeviceRow(Struct, frozen=True):
    """A device as the list shows it. `days`: what it consumed on the last days, by local day."""

    device: Device
    state: DeviceState
    newest: NewestReading | None
    days: Sequence[Decimal | None] = ()

    @property
    def today(self) -> Decimal | None:
        """What it consumed on the account's local day, as of the last refresh."""
        return getattr(self.device, "today", None)

    @property
    def this_month(self) -> Decimal | None:
        """The same for the billing month."""
        return getattr(self.device, "this_month", None)

    @property
    def measurement(self) -> Any:
        """In one word how it measures."""
        return MEASUREMENTS[Device.Measurement(self.device.measurement)]

    @property
    def unit(self) -> str:
        """The device's unit; of one that takes any, its newest reading's."""
        return self.device.unit or (self.newest.unit if self.newest else "")


def read_rows(page: Page, *, account_id: int, days_until: date | None = None) -> list[DeviceRow]:
    """The devices of a page with their newest readings; with the fourteen days up to a day, where
    one is named."""
    newest = read_newest(
        account_id, device_ids=[device.pk for device in page.rows], now=timezone.now()
    )
    days = _read_days(page, account_id, days_until) if days_until else {}
    return [
        DeviceRow(device, find_device_state(device), newest.get(device.pk), days.get(device.pk, ()))
        for device in page.rows
    ]


def _read_days(page: Page, account_id: int, until: date) -> dict[int, list[Decimal | None]]:
    first = until - (DAYS_DRAWN - 1) * DAY
    of_page = DailyAggregate.objects.filter(
        device_id__in=[device.pk for device in page.rows], account_id=account_id,
        day__gte=first, day__lte=until, total__isnull=False,
    )  # fmt: skip
    days: dict[int, list[Decimal | None]] = {}
    for device_id, day, total in of_page.values_list("device_id", "day", "total"):
        days.setdefault(device_id, [None] * DAYS_DRAWN)[(day - first).days] = total
    return days


def render_days(days: Sequence[Decimal | None]) -> str:
    """What a device consumed by the day as small bars; nothing where nothing is known."""
    most = max((day for day in days if day is not None), default=Decimal())
    if most <= 0:
        return ""
    bars = "".join(
        f"M{10 * number} 0h8v{round(100 * max(day, Decimal()) / most)}h-8z"
        for number, day in enumerate(days)
        if day is not None
    )
    return (
        f'<svg class="spark series-1" viewBox="0 0 {10 * len(days)} 100" preserveAspectRatio="none"'
        f' focusable="false"><path class="fill" d="{bars}"/></svg>'
    )


def render_devices(rows: Iterable[DeviceRow], *, account: Account) -> SafeString:
    """A table row for each device, with the columns of the list."""
    device_page = reverse("device", args=[account.pk, 0]).rsplit("0", 1)
    gateway_page = reverse("gateway", args=[account.pk, 0]).rsplit("0", 1)
    never = f'<span class="muted">{_("never")}</span>'

    def render(row: DeviceRow) -> str:
        device, newest = row.device, row.newest
        value = escape(exact(newest.value, newest.unit)) if newest else NONE
        return (
            f'<tr><th scope="row"><a href="{str(device.pk).join(device_page)}">'
            f"{escape(device.name or device.code)}</a>"
            f'<small class="under">{escape(device.gateway.code)}/{escape(device.code)}</small></th>'
            f'<td class="spare"><a href="{str(device.gateway_id).join(gateway_page)}">'
            f"{escape(device.gateway.name or device.gateway.code)}</a></td>"
            f'<td class="spare">{escape(device.group) or NONE}</td>'
            f'<td class="spare">{escape(device.get_kind_display())} '
            f'<small class="under">{escape(row.measurement)}</small></td>'
            f'<td class="state"><span class="badge {row.state.colour}">'
            f"{escape(row.state.label)}</span></td>"
            f'<td class="number value">{value}</td>'
            f'<td class="number age">{short_age(newest.time) if newest else never}</td>'
            f'<td class="number today">{figure(row.today, row.unit)}</td>'
            f'<td class="number month">{figure(row.this_month, row.unit)}</td>'
            f'<td class="spare days" aria-hidden="true">{render_days(row.days)}</td></tr>'
        )

    return SafeString("\n".join(map(render, rows)))  # nosec
