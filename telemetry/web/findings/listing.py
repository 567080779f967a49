"""The page of an account's findings: those to decide first."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST, require_safe
from msgspec import Struct

from telemetry.accounts.access import Right, has_right
from telemetry.core.findings import BLOCKING
from telemetry.findings.deciding import DecisionError, decide_finding
from telemetry.models import Account, Device, Finding
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.edits.forms import ReasonForm
from telemetry.web.filters import Filters, GatewayField
from telemetry.web.paging import read_page

BIGGEST_KEY = 2**63 - 1


class FindingFilters(Filters):
    """State, rule, gateway, device."""

    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        required=False,
        choices=[
            ("open", gettext_lazy("To decide")),
            ("decided", gettext_lazy("Decided")),
            ("gone", gettext_lazy("Gone")),
            ("all", gettext_lazy("All")),
        ],
    )
    rule = forms.ChoiceField(
        label=gettext_lazy("Rule"),
        required=False,
        choices=[("", gettext_lazy("All")), *Finding.Rule.choices],
    )
    gateway = GatewayField()
    device = forms.IntegerField(
        required=False, min_value=1, max_value=BIGGEST_KEY, widget=forms.HiddenInput
    )
    field_order = ("search", "state", "rule", "gateway")

    def __init__(self, data: Any, *, account: Account) -> None:
        super().__init__(data, account=account)
        field = self.fields["gateway"]
        assert isinstance(field, GatewayField)
        field.offer(account, chosen=self.data.get("gateway", ""))

    def list(self) -> QuerySet[Finding]:
        """Those that match, the newest first."""
        chosen = self.cleaned_data
        rows = Finding.objects.filter(account=self.account)
        decided = ("accepted", "ignored", "voided", "substituted")
        states = {"decided": decided, "gone": ("gone",), "all": None}
        listed = states.get(chosen["state"], ("open",))
        if listed is not None:
            rows = rows.filter(state__in=listed)
        if chosen["rule"]:
            rows = rows.filter(rule=chosen["rule"])
        mine = Q(device__account=self.account)
        if search := chosen["search"]:
            matches = Q(device__code__icontains=search) | Q(device__name__icontains=search)
            rows = rows.filter(mine & matches)
        if chosen["gateway"]:
            rows = rows.filter(mine, device__gateway_id=chosen["gateway"])
        if chosen["device"]:
            rows = rows.filter(device_id=chosen["device"])
        rows = rows.select_related("device", "decided_by", "edit")
        # The gateway of a device that moved away is not to be seen: no join.
        return rows.prefetch_related("device__gateway").order_by("-since", "-id")


class FindingRow(Struct, frozen=True):
    """A finding as pages show it. `device` is None when it is another account's by now. `form`
    accepts or ignores it; None for those who may not, and when it is decided. `readings`: the
    address where its readings are edited."""

    finding: Finding
    device: Device | None
    form: ReasonForm | None
    may_reopen: bool
    readings: str

    @property
    def is_blocking(self) -> bool:
        """Whether it is decided before its month is closed."""
        return self.finding.rule in BLOCKING

    @property
    def evidence(self) -> list[tuple[str, Any]]:
        """What was seen, named; instants are instants."""
        return [(name, _read(value)) for name, value in self.finding.evidence.items()]


@gzip_page
@require_safe
@account_page()
def findings(request: AccountRequest) -> HttpResponse:
    """The list; a wrong filter is answered with what is wrong."""
    filters = FindingFilters(request.GET, account=request.account)
    if not filters.is_valid():
        context: dict[str, Any] = {"filters": filters}
        return render(request, "telemetry/findings/findings.html", context, status=400)
    page = read_page(filters.list(), number=filters.cleaned_data["page"], is_counted=True)
    context = {
        "filters": filters,
        "page": page,
        "rows": make_finding_rows(request, page.rows),
        "back": request.GET.urlencode(),
    }
    return render(request, "telemetry/findings/findings.html", context)


@require_POST
@account_page(Right.BILLING)
def decide(request: AccountRequest, finding_id: int) -> HttpResponse:
    """Accept it, ignore it, or open it again."""
    finding = get_object_or_404(Finding, pk=finding_id, account=request.account)
    state, note = request.POST.get("state", ""), request.POST.get("reason", "")
    try:
        decide_finding(finding, state=state, user=request.user, note=note)
    except DecisionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The finding is decided."))
    month = _read_day(request.POST.get("month", ""))
    if month is not None:
        return redirect("month", request.account.pk, month.isoformat())
    query = QueryDict(request.POST.get("back", "")).urlencode()
    address = reverse("findings", args=[request.account.pk])
    return redirect(f"{address}?{query}" if query else address)


def make_finding_rows(request: AccountRequest, found: Iterable[Finding]) -> list[FindingRow]:
    """Findings with what the member may do."""
    may = has_right(request.membership, Right.BILLING)
    rows = []
    for finding in found:
        device = finding.device if finding.device.account_id == request.account.pk else None
        is_open = finding.state == Finding.State.OPEN
        rows.append(
            FindingRow(
                finding,
                device,
                ReasonForm(key=f"finding-{finding.pk}") if may and is_open else None,
                may_reopen=may and finding.state in ("accepted", "ignored"),
                readings=_find_readings(finding) if device else "",
            )
        )
    return rows


def _find_readings(finding: Finding) -> str:
    """The page of the readings of a finding, with the form filled in."""
    evidence = finding.evidence
    first = parse_datetime(evidence.get("first", "")) or finding.since
    last = parse_datetime(evidence.get("last_at", evidence.get("first", ""))) or first
    parameters = {
        "until": timezone.localtime(last + timedelta(hours=6)).isoformat(),
        "edit": timezone.localtime(first).isoformat(),
        "to": timezone.localtime(last).isoformat(),
        "finding": finding.pk,
    }
    page = reverse("device-readings", args=[finding.account_id, finding.device_id])
    return f"{page}?{urlencode(parameters)}#form"


def _read_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _read(value: Any) -> Any:
    try:
        return parse_datetime(value) or value
    except (TypeError, ValueError):
        return value
