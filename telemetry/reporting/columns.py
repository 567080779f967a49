"""The columns of a report, the same in every form."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from msgspec import Struct

from telemetry.store.billing.monthly_report import Grouping

LINES: dict[Grouping, Promise] = {
    Grouping.DEVICE: gettext_lazy("Device"),
    Grouping.GROUP: gettext_lazy("Group"),
    Grouping.GATEWAY: gettext_lazy("Gateway"),
    Grouping.KIND: gettext_lazy("Kind"),
    Grouping.ACCOUNT: gettext_lazy("Account"),
}
STATES: dict[str, Promise] = {
    "open": gettext_lazy("open"),
    "closed": gettext_lazy("closed"),
}
KINDS: dict[str, Promise] = {
    "meter": gettext_lazy("meter"),
    "sensor": gettext_lazy("sensor"),
    "actuator": gettext_lazy("actuator"),
}


class Header(Struct, frozen=True):
    """The head of a report."""

    account: str
    time_zone: str
    created: str


def list_titles(grouping: Grouping) -> list[str]:
    """The columns' titles, in the language of now."""
    return [
        _("Month from"), _("Month until"), str(LINES[grouping]), _("Unit"), _("Devices"),
        _("Consumption"), _("Adjustments"), _("Billed"), _("Daily mean"), _("Readings"),
        _("Coverage"), _("State"),
    ]  # fmt: skip


def name_line(label: str, *, grouping: Grouping, account: str) -> str:
    """What a line is called."""
    if grouping is Grouping.ACCOUNT:
        return account
    if grouping is Grouping.KIND:
        return str(KINDS.get(label, label))
    return label or _("(no group)")
