"""What the address of a device's page asks for."""

from datetime import timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from msgspec import Struct
from msgspec.structs import replace

from telemetry.models import Device
from telemetry.web.charts.asked import Asked, Choice, read_asked
from telemetry.web.charts.moves import list_moves
from telemetry.web.charts.picture import Show
from telemetry.web.pages import AccountRequest

LONGEST = timedelta(days=1_827)
"""Five years of local days."""

TITLES: dict[Show, Promise] = {
    Show.CONSUMPTION: _("Consumption"), Show.REGISTER: _("Register"), Show.LEVEL: _("Level"),
}  # fmt: skip
SHOWN: dict[str, tuple[Show, ...]] = {
    Device.Measurement.DELTA: (Show.CONSUMPTION,),
    Device.Measurement.CUMULATIVE: (Show.CONSUMPTION, Show.REGISTER),
    Device.Measurement.GAUGE: (Show.LEVEL,),
}


class Step(Struct, frozen=True):
    """A link to a period beside the one that is shown; without an address there is none."""

    name: str
    words: Promise
    href: str | None


def read_device_asked(request: AccountRequest, *, device: Device) -> tuple[Asked, Show]:
    """The period, and which figure of the device is shown."""
    asked = read_asked(request, longest=LONGEST)
    shown = SHOWN[device.measurement]
    if asked.show and asked.show not in shown:
        message = {"show": _("This device does not measure that.")}
        return replace(asked, show="", errors=asked.errors | message), shown[0]
    return asked, Show(asked.show or shown[0])


def list_figures(asked: Asked, *, device: Device, show: Show) -> list[Choice]:
    """Links to the figures of the device; none when it has one."""
    shown = SHOWN[device.measurement]
    if len(shown) < 2:
        return []
    return [Choice(TITLES[one], asked.href(show=one), one is show) for one in shown]


def list_steps(asked: Asked) -> list[Step]:
    """Earlier, later, closer, wider, and back to the usual period."""
    moves = list_moves(asked.period, calendar=asked.calendar, now=asked.now, longest=asked.longest)
    steps = (
        ("earlier", _("Earlier"), moves.earlier),
        ("later", _("Later"), moves.later),
        ("closer", _("Zoom in"), moves.closer),
        ("wider", _("Zoom out"), moves.wider),
    )
    reset = Step("reset", _("Reset"), f"?show={asked.show}" if asked.show else "?")
    return [
        *(
            Step(name, words, asked.href(period=period.query) if period else None)
            for name, words, period in steps
        ),
        reset,
    ]
