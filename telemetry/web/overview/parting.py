"""By what the bars of the overview are parted: devices, groups, or time-of-use bands. Kept in the
address (`by=`), and so in saved views. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from telemetry.web.charts.params import ChartParams, Choice, Pairs
from telemetry.web.charts.period import Errors


class By(StrEnum):
    """What a series of the chart is."""

    DEVICE = "device"
    GROUP = "group"
    BAND = "band"


USUAL = By.DEVICE
TEXTS: dict[By, Promise] = {
    By.DEVICE: _("By device"), By.GROUP: _("By group"), By.BAND: _("By band"),
}  # fmt: skip


def parse_by(params: Mapping[str, Sequence[str]]) -> tuple[By, Errors]:
    """The choice that the parameters name; the usual one beside a message."""
    text = next(reversed(params.get("by", ())), "") or USUAL
    if text not in list(By):
        return USUAL, {"by": _("Choose devices, groups or bands.")}
    return By(text), {}


def to_pairs(by: By) -> Pairs:
    """The same in an address."""
    return [] if by is USUAL else [("by", by)]


def list_choices(params: ChartParams, *, by: By, has_groups: bool, has_bands: bool) -> list[Choice]:
    """Links to what the account has; none where it has devices alone."""
    offered = {By.DEVICE: True, By.GROUP: has_groups, By.BAND: has_bands}
    choices = [one for one in By if offered[one] or one is by]
    if len(choices) < 2:
        return []
    return [Choice(TEXTS[one], params.href(lasting=to_pairs(one)), one is by) for one in choices]
