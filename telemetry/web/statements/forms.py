"""What a statement is about: two instants, and devices."""

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from telemetry.core.consumption import month_of, start_of
from telemetry.core.zones import Zone
from telemetry.models import Account, Device, VirtualMeter
from telemetry.store.assignments.former import list_former_ids
from telemetry.store.billing.statement_devices import StatementQuestion
from telemetry.web.edits.forms import InstantField
from telemetry.web.filters import MOST_CHOICES, GatewayField
from telemetry.web.long_select import LongSelect
from telemetry.web.reports.views import list_groups

DAY = timedelta(days=1)


class EndField(InstantField):
    """An instant; a day alone is its first one, in the zone that the account had then."""

    zone: Zone

    def to_python(self, value: Any) -> datetime | None:
        """Read it by the clock of the account."""
        try:
            day = date.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            day = None
        if day is None or len(value) != len("2026-10-17"):
            return super().to_python(value)
        try:
            return start_of(day, self.zone)
        except (OverflowError, ValueError):
            raise ValidationError(self.error_messages["invalid"], "invalid") from None


class StatementForm(forms.Form):
    """A statement; without devices, a gateway or a group, that of the account."""

    since = EndField(label=_("From"), help_text=_("A day alone: when it begins."))
    until = EndField(label=_("To"), help_text=_("This instant is included."))
    device = forms.TypedChoiceField(
        label=_("Device"), required=False, coerce=int, empty_value=None, widget=LongSelect
    )
    gateway = GatewayField()
    group = forms.ChoiceField(label=_("Group"), required=False)
    virtual = forms.TypedChoiceField(
        label=_("Virtual meter"), required=False, coerce=int, empty_value=None
    )
    use_required_attribute = False

    def __init__(self, data: Any, *, account: Account) -> None:
        super().__init__(data, label_suffix="")
        self.account = account
        gateway, device, group = self.fields["gateway"], self.fields["device"], self.fields["group"]
        assert isinstance(gateway, GatewayField)
        gateway.offer(account, chosen=data.get("gateway", ""))
        device.choices = [("", _now("All")), *_list_devices(account, chosen=data.get("device", ""))]  # type: ignore[attr-defined]
        for name in ("since", "until"):
            end = self.fields[name]
            assert isinstance(end, EndField)
            end.zone = account.zone
        meters = list(VirtualMeter.objects.filter(account=account)[:MOST_CHOICES])
        self.fields["virtual"].choices = [  # type: ignore[attr-defined]
            ("", _now("None")), *((one.pk, str(one)) for one in meters)
        ]  # fmt: skip
        if not meters:
            del self.fields["virtual"]
        group.choices = [("", _now("All")), *((one, one) for one in list_groups(account))]  # type: ignore[attr-defined]

    @property
    def question(self) -> StatementQuestion:
        """What the form, once valid, asks for."""
        chosen = self.cleaned_data
        device = chosen["device"]
        return StatementQuestion(
            self.account.pk,
            chosen["since"],
            chosen["until"],
            device_ids=None if device is None else (device,),
            gateway_id=chosen["gateway"],
            group=chosen["group"] or None,
            virtual_id=chosen.get("virtual"),
        )


def fill_form(query: Any, *, account: Account) -> StatementForm:
    """The form of an address; its instants, where it names none, are those of the last billing
    month that is over."""
    data = query.copy()
    today = timezone.localdate()
    month = month_of(today, account.billing)
    data.setdefault("since", month_of(month - DAY, account.billing).isoformat())
    data.setdefault("until", month.isoformat())
    return StatementForm(data, account=account)


def _list_devices(account: Account, *, chosen: str) -> list[tuple[str, str]]:
    """The devices by gateway and code; of very many, the first ones, and the chosen one. One that
    moved to another account is there when it is chosen."""
    is_number = chosen.isdecimal() and len(chosen) < 19
    devices = Device.objects.filter(account=account).order_by("gateway__code", "code")
    columns = ("pk", "gateway__code", "code", "name")
    rows = list(devices.values_list(*columns)[:MOST_CHOICES])
    if is_number and len(rows) == MOST_CHOICES:
        rows += devices.filter(pk=chosen).values_list(*columns)
    found = {pk: f"{gateway}/{code} {name}".rstrip() for pk, gateway, code, name in rows}
    if is_number and int(chosen) not in found:
        found |= {pk: f"#{pk}" for pk in list_former_ids(account.pk, among=[int(chosen)])}
    return [(str(pk), label) for pk, label in found.items()]
