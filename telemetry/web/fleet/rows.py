"""The list of devices as HTML: a template is slow at so many cells."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from telemetry.models import Account
from telemetry.templatetags.wording import age, exact
from telemetry.web.wording import NONE

if TYPE_CHECKING:
    from telemetry.web.fleet.devices import DeviceRow


def render_devices(rows: "Iterable[DeviceRow]", *, account: Account) -> SafeString:
    """A table row for each device, with the columns of the list."""
    device_page = reverse("device", args=[account.pk, 0]).rsplit("0", 1)
    gateway_page = reverse("gateway", args=[account.pk, 0]).rsplit("0", 1)
    never = f'<span class="muted">{_("never")}</span>'

    def render(row: "DeviceRow") -> str:
        device, newest = row.device, row.newest
        value = escape(exact(newest.value, newest.unit)) if newest else NONE
        return (
            f'<tr><th scope="row"><a href="{str(device.pk).join(device_page)}">'
            f"{escape(device.code)}</a></th><td>{escape(device.name)}</td>"
            f'<td><a href="{str(device.gateway_id).join(gateway_page)}">'
            f"{escape(device.gateway.code)}</a></td><td>{escape(device.group) or NONE}</td>"
            f"<td>{escape(device.get_kind_display())} <small>{escape(row.measurement)}</small></td>"
            f"<td>{escape(device.unit) or NONE}</td>"
            f'<td><span class="badge {row.state.colour}">{escape(row.state.label)}</span></td>'
            f'<td class="number">{value}</td><td>{age(newest.time) if newest else never}</td>'
            f'<td class="number">{escape(exact(row.today, row.unit))}</td>'
            f'<td class="number">{escape(exact(row.this_month, row.unit))}</td></tr>'
        )

    return SafeString("\n".join(map(render, rows)))
