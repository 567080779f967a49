"""The parameters of a device's page."""

from datetime import timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from msgspec import Struct
from msgspec.structs import replace

from telemetry.models import Device
from telemetry.web.account_page import AccountRequest
from telemetry.web.charts.params import ChartParams, Choice, read_params
from telemetry.web.charts.view import Show
from telemetry.web.device.compare import TEXTS, Compare, ComparisonChoice, read_choice

LONGEST = timedelta(days=1_827)
"""Five years of local days."""

TITLES: dict[Show, Promise] = {
    Show.CONSUMPTION: _("Consumption"), Show.REGISTER: _("Register"), Show.LEVEL: _("Level"),
}  # fmt: skip
QUANTITIES: dict[str, tuple[Show, ...]] = {
    Device.Measurement.DELTA: (Show.CONSUMPTION,),
    Device.Measurement.CUMULATIVE: (Show.CONSUMPTION, Show.REGISTER),
    Device.Measurement.GAUGE: (Show.LEVEL,),
}


class DeviceParams(Struct, frozen=True):
    """What the address asks for: the period, which quantity of the device is shown, and with what
    it is compared."""

    chart: ChartParams
    show: Show
    comparison: ComparisonChoice


def read_device_params(request: AccountRequest, *, device: Device) -> DeviceParams:
    """Parsed; with messages where that failed."""
    params = read_params(request, longest=LONGEST)
    comparison = read_choice(request.GET.dict(), period=params.period, calendar=params.calendar)
    errors = params.errors | comparison.errors
    params = replace(params, other_pairs=comparison.pairs, errors=errors)
    choices = QUANTITIES[device.measurement]
    if params.show and params.show not in choices:
        message = {"show": _("This device does not measure that.")}
        params = replace(params, show="", errors=params.errors | message)
    return DeviceParams(params, Show(params.show or choices[0]), comparison)


def list_quantities(params: ChartParams, *, device: Device, show: Show) -> list[Choice]:
    """Links to the quantities of the device; none when it has one."""
    choices = QUANTITIES[device.measurement]
    if len(choices) < 2:
        return []
    return [Choice(TITLES[one], params.href(show=one), one is show) for one in choices]


def list_comparisons(params: DeviceParams) -> list[Choice]:
    """What the period can be compared with, as options: their `href` is the parameter."""
    chosen = dict(params.comparison.pairs).get("compare", "")
    options: list[tuple[Promise | str, str]] = [(_("as usual"), "")]
    options += [(text, str(how)) for how, text in TEXTS.items()]
    if chosen == Compare.FROM and params.comparison.compared:
        options.append((params.comparison.compared.name, chosen))
    return [Choice(text, value, value == chosen) for text, value in options]
