"""Register a gateway in one step, filled from what it sent."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from telemetry.core.topic import read_mac
from telemetry.dead_letters.dry_run import DryRun, try_waiting
from telemetry.dead_letters.register import (
    FoundDevice,
    as_if_registered,
    list_devices,
    register_gateway,
)
from telemetry.models import Account, DeadLetter, Device, Gateway

LAST_ACCOUNT = "registered_in_account"
"""Where the session keeps the account that was chosen last: gateways come in lots."""


class GatewayForm(forms.Form):
    """Whose the gateway is, and what it is called."""

    account = forms.ModelChoiceField(Account.objects.none(), label=gettext_lazy("account"))
    code = forms.CharField(max_length=50, label=gettext_lazy("code"))
    name = forms.CharField(max_length=100, required=False, label=gettext_lazy("name"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accounts: Any = self.fields["account"]
        accounts.queryset = Account.objects.filter(is_active=True).order_by("name")


class FoundDeviceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A device that the gateway sends."""

    is_chosen = forms.BooleanField(required=False, initial=True, label=gettext_lazy("register"))

    class Meta:
        model = Device
        fields = ["code", "name", "kind", "measurement", "unit"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():  # the labels stand in the table's head
            field.widget.attrs["aria-label"] = field.label
        self.fields["code"].widget.attrs["readonly"] = True


FoundDeviceForms = forms.formset_factory(FoundDeviceForm, extra=0)


class RegisterMixin:
    """The page `register/<mac>/`."""

    def get_urls(self) -> list[URLPattern]:
        """With the page before the others."""
        site: Any = self.admin_site  # type: ignore[attr-defined]
        view = site.admin_view(self.register)
        name = "telemetry_deadlettergroup_register"
        return [path("register/<str:mac>/", view, name=name), *super().get_urls()]  # type: ignore[misc]

    def register(self, request: HttpRequest, mac: str) -> HttpResponse:
        """Ask whose it is; register it with its devices."""
        admin: Any = self
        normalised = read_mac(mac)
        if normalised is None:
            raise Http404
        if not request.user.has_perms(["telemetry.add_gateway", "telemetry.add_device"]):
            raise PermissionDenied
        known = Gateway.objects.filter(mac=normalised).first()
        if known is not None:
            text = _("%(mac)s is registered: what waits is sent again within a minute.")
            admin.message_user(request, text % {"mac": normalised}, messages.INFO)
            return redirect("admin:telemetry_gateway_change", known.pk)
        found = list_devices(normalised)
        is_post = request.method == "POST"
        form = GatewayForm(request.POST if is_post else None, initial=_guess(request, normalised))
        devices = FoundDeviceForms(
            request.POST if is_post else None,
            prefix="devices",
            initial=[_to_initial(device) for device in found],
        )
        if is_post and form.is_valid() and devices.is_valid():
            gateway = _save(request, form, devices, normalised)
            if gateway is not None:
                text = _("%(gateway)s is registered. What waited for it is being stored.")
                admin.message_user(request, text % {"gateway": gateway}, messages.SUCCESS)
                return redirect("admin:telemetry_deadlettergroup_changelist")
        return self._show(request, normalised, form, devices, found)

    def _show(
        self, request: HttpRequest, mac: str, form: Any, devices: Any, found: list[FoundDevice]
    ) -> HttpResponse:
        admin: Any = self
        waiting = DeadLetter.objects.filter(mac=mac, state=DeadLetter.State.PENDING)
        context = {
            **admin.admin_site.each_context(request),
            "title": _("Register a gateway"), "opts": admin.opts, "mac": mac, "form": form,
            "devices": devices, "rows": list(zip(devices, found, strict=False)),
            "dry_run": _try(mac, waiting, found),
            "newest": waiting.defer("payload").order_by("-last_seen", "-id").first(),
        }  # fmt: skip
        return TemplateResponse(request, "telemetry/admin/register.html", context)


def _try(mac: str, waiting: Any, found: list[FoundDevice]) -> DryRun:
    """As if it were registered with everything that was found."""
    fields = ("code", "unit", "measurement", "kind")
    devices = [Device(**{name: getattr(one, name) for name in fields}) for one in found]
    return try_waiting(waiting, now=timezone.now(), fleet=as_if_registered(mac, devices))


def _guess(request: HttpRequest, mac: str) -> dict[str, Any]:
    """A code by the end of the MAC; the account of the last time, or the only one."""
    accounts = Account.objects.filter(is_active=True)
    last = accounts.filter(pk=request.session.get(LAST_ACCOUNT) or 0).first()
    if last is None and accounts.count() == 1:
        last = accounts.get()
    return {"code": f"GW-{mac.replace(':', '')[-6:].upper()}", "account": last}


def _to_initial(device: FoundDevice) -> dict[str, Any]:
    return {
        "code": device.code, "kind": device.kind, "measurement": device.measurement,
        "unit": device.unit, "is_chosen": True,
    }  # fmt: skip


def _save(request: HttpRequest, form: Any, devices: Any, mac: str) -> Gateway | None:
    chosen = [each.save(commit=False) for each in devices if each.cleaned_data.get("is_chosen")]
    account = form.cleaned_data["account"]
    try:
        gateway = register_gateway(
            account=account, mac=mac, code=form.cleaned_data["code"],
            name=form.cleaned_data["name"], devices=chosen,
        )  # fmt: skip
    except ValidationError as error:
        form.add_error(None, error.messages)
        return None
    request.session[LAST_ACCOUNT] = account.pk
    return gateway
