"""The parameters of a device's page."""

from datetime import timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from msgspec.structs import replace

from telemetry.models import Device
from telemetry.web.account_page import AccountRequest
from telemetry.web.charts.params import ChartParams, Choice, read_params
from telemetry.web.charts.view import Show

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


def read_device_params(request: AccountRequest, *, device: Device) -> tuple[ChartParams, Show]:
    """The period, and which quantity of the device is shown."""
    params = read_params(request, longest=LONGEST)
    choices = QUANTITIES[device.measurement]
    if params.show and params.show not in choices:
        message = {"show": _("This device does not measure that.")}
        return replace(params, show="", errors=params.errors | message), choices[0]
    return params, Show(params.show or choices[0])


def list_quantities(params: ChartParams, *, device: Device, show: Show) -> list[Choice]:
    """Links to the quantities of the device; none when it has one."""
    choices = QUANTITIES[device.measurement]
    if len(choices) < 2:
        return []
    return [Choice(TITLES[one], params.href(show=one), one is show) for one in choices]
