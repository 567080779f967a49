"""The page of an account's alarms: the open ones first."""

from collections.abc import Iterable

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from msgspec import Struct

from telemetry.accounts.access import Right, has_right
from telemetry.models import Alarm, Device, Gateway
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.alarms.filters import AlarmFilters
from telemetry.web.alarms.forms import AcknowledgeForm
from telemetry.web.paging import read_page


class AlarmRow(Struct, frozen=True):
    """An alarm as the page shows it. `form` acknowledges it; None for those who may not, or when
    somebody did. `device` and `gateway` are None when they are another account's by now."""

    alarm: Alarm
    device: Device | None
    gateway: Gateway | None
    form: AcknowledgeForm | None

    @property
    def unit(self) -> str:
        """The unit, as far as it is known here."""
        return self.alarm.unit or (self.device.unit if self.device else "")


@account_page()
def alarms(request: AccountRequest) -> HttpResponse:
    """Open and past alarms."""
    return show_alarms(request, request.GET)


def show_alarms(
    request: AccountRequest, query: QueryDict, *, invalid_form: AcknowledgeForm | None = None
) -> HttpResponse:
    """The page for these filters. `invalid_form` takes the place of its alarm's."""
    filters = AlarmFilters(query, account=request.account)
    if not filters.is_valid():
        return render(request, "telemetry/alarms/alarms.html", {"filters": filters}, status=400)
    chosen = filters.cleaned_data
    # Pages are those of past alarms; of the open ones, when only these are listed.
    is_open_only = chosen["state"] in (filters.OPEN, filters.WAITING)
    opened = read_page(filters.list_open(), number=chosen["page"] if is_open_only else 1)
    past = read_page(filters.list_past(), number=1 if is_open_only else chosen["page"])
    context = {
        "filters": filters,
        "back": query.urlencode(),
        "page": opened if is_open_only else past,
        "opened": opened,
        "opened_rows": list(_make_rows(request, opened.rows, invalid_form)),
        "past_rows": list(_make_rows(request, past.rows, invalid_form)),
        "shows_open": chosen["state"] != filters.PAST and past.number == 1,
        "shows_past": not is_open_only,
        "device": _find_device(request, chosen["device"]),
    }
    status = 200 if invalid_form is None else 400
    return render(request, "telemetry/alarms/alarms.html", context, status=status)


def _make_rows(
    request: AccountRequest, alarms: Iterable[Alarm], invalid_form: AcknowledgeForm | None
) -> Iterable[AlarmRow]:
    may = has_right(request.membership, Right.OPERATE)
    for alarm in alarms:
        of = request.account.pk
        device = alarm.device if alarm.device and alarm.device.account_id == of else None
        gateway = alarm.gateway if alarm.gateway and alarm.gateway.account_id == of else None
        form = AcknowledgeForm(alarm_id=alarm.pk)
        if invalid_form is not None and invalid_form.alarm_id == alarm.pk:
            form = invalid_form
        may_now = may and alarm.acknowledged_at is None
        yield AlarmRow(alarm, device, gateway, form if may_now else None)


def _find_device(request: AccountRequest, device_id: int | None) -> Device | None:
    if device_id is None:
        return None
    return Device.objects.filter(pk=device_id, account=request.account).first()
