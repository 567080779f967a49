"""Which alarms are listed."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from telemetry.models import Account, Alarm
from telemetry.web.filters import Filters, GatewayField

BIGGEST_KEY = 2**63 - 1
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)


class DayField(forms.DateField):
    """A day, written as browsers send it."""

    def __init__(self, *, label: Any) -> None:
        super().__init__(
            label=label,
            required=False,
            input_formats=["%Y-%m-%d"],
            widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
            validators=[MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY)],
        )


class AlarmFilters(Filters):
    """State, gateway, device, period. A period has the alarms that were open at any time of it."""

    OPEN, WAITING, PAST = "open", "waiting", "past"
    STATES = [
        ("", _("Open and past")),
        (OPEN, _("Open")),
        (WAITING, _("Open, not acknowledged")),
        (PAST, _("Past")),
    ]
    gateway = GatewayField()
    state = forms.ChoiceField(label=_("State"), required=False, choices=STATES)
    first = DayField(label=_("From"))
    last = DayField(label=_("To"))
    device = forms.IntegerField(
        label=_("Device"),
        required=False,
        min_value=1,
        max_value=BIGGEST_KEY,
        widget=forms.HiddenInput,
    )
    field_order = ("search", "gateway", "state", "first", "last")

    def __init__(self, data: Any, *, account: Account) -> None:
        super().__init__(data, account=account)
        field = self.fields["gateway"]
        assert isinstance(field, GatewayField)
        field.offer(account, chosen=self.data.get("gateway", ""))

    def clean(self) -> None:
        """Reject a period that ends before it begins."""
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        if first and last and last < first:
            self.add_error("last", ValidationError(_("This day is before the first one."), "order"))

    def list_open(self) -> QuerySet[Alarm]:
        """The open alarms that match, the newest first."""
        state = self.cleaned_data["state"]
        if state == self.PAST:
            return Alarm.objects.none()
        alarms = self._list().filter(closed_at=None)
        return alarms.filter(acknowledged_at=None) if state == self.WAITING else alarms

    def list_past(self) -> QuerySet[Alarm]:
        """The past alarms that match, the newest first."""
        if self.cleaned_data["state"] in (self.OPEN, self.WAITING):
            return Alarm.objects.none()
        return self._list().filter(closed_at__isnull=False)

    def _list(self) -> QuerySet[Alarm]:
        chosen = self.cleaned_data
        alarms = Alarm.objects.filter(account=self.account)
        # Names of a device or gateway that moved away are another account's.
        mine, mine_too = Q(device__account=self.account), Q(gateway__account=self.account)
        if search := chosen["search"]:
            matches = Q(device__code__icontains=search) | Q(device__name__icontains=search)
            of_gateway = Q(gateway__code__icontains=search) | Q(gateway__name__icontains=search)
            alarms = alarms.filter(mine & matches | mine_too & of_gateway)
        if chosen["gateway"]:
            of_device = mine & Q(device__gateway_id=chosen["gateway"])
            alarms = alarms.filter(of_device | mine_too & Q(gateway_id=chosen["gateway"]))
        if chosen["device"]:
            alarms = alarms.filter(device_id=chosen["device"])
        if chosen["first"]:
            since = _start(chosen["first"])
            alarms = alarms.filter(Q(closed_at=None) | Q(closed_at__gte=since))
        if chosen["last"]:
            alarms = alarms.filter(opened_at__lt=_start(chosen["last"] + timedelta(days=1)))
        alarms = alarms.select_related("device", "acknowledged_by", "rule")
        # The gateway of a device that moved away is not to be seen: no join.
        return alarms.prefetch_related("device__gateway", "gateway").order_by("-opened_at", "-id")


def _start(day: date) -> datetime:
    """The first instant of a day of the account."""
    return timezone.make_aware(datetime.combine(day, time()))
