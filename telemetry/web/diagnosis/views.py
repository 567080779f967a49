""" "Why no data?" of a gateway or device of the account, for its members."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from telemetry.diagnosis.diagnose import diagnose
from telemetry.diagnosis.facts import read_facts
from telemetry.models import Device, Gateway
from telemetry.web.account_page import AccountRequest, account_page


@require_safe
@account_page()
def why_gateway(request: AccountRequest, gateway_id: int) -> HttpResponse:
    """Of a gateway; 404 for every other account's."""
    gateway = get_object_or_404(
        Gateway.objects.select_related("account"), pk=gateway_id, account=request.account
    )
    return _answer(request, gateway, None)


@require_safe
@account_page()
def why_device(request: AccountRequest, device_id: int) -> HttpResponse:
    """Of a device; 404 for every other account's."""
    device = get_object_or_404(
        Device.objects.select_related("gateway__account"), pk=device_id, account=request.account
    )
    return _answer(request, device.gateway, device)


def _answer(request: AccountRequest, gateway: Gateway, device: Device | None) -> HttpResponse:
    facts = read_facts(gateway, device=device, now=timezone.now())
    # What only administrators may do has no link here.
    links = {
        "dead_letters": reverse("gateway", args=[request.account.pk, gateway.pk]) + "#dead-letters",
        "findings": reverse("findings", args=[request.account.pk]),
    }
    diagnosis = diagnose(facts, lambda action: links.get(action.page, ""))
    context = {"facts": facts, "diagnosis": diagnosis}
    return render(request, "telemetry/diagnosis/page.html", context)
