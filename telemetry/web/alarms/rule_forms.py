"""The forms of alarm rules and webhooks."""

import ipaddress
import secrets
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from telemetry.alarms.webhook import is_public
from telemetry.core.alarm_rules import KINDS, Source
from telemetry.models import Account, AlarmRule, Device, User, Webhook
from telemetry.web.filters import MOST_CHOICES, GatewayField
from telemetry.web.long_select import LongSelect

MOST_RULES = 200
MOST_WEBHOOKS = 20


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A rule of an account. Who is told are members of it, nobody else."""

    gateway = GatewayField()
    device = forms.TypedChoiceField(
        label=_("Device"), required=False, coerce=int, empty_value=None, widget=LongSelect
    )

    class Meta:
        model = AlarmRule
        fields = (
            "kind", "limit", "margin", "gateway", "device", "delay_minutes", "clear_minutes",
            "recipients", "webhook", "quiet_from", "quiet_until", "escalate_minutes",
            "escalate_to", "name",
        )  # fmt: skip
        widgets = {
            "recipients": forms.CheckboxSelectMultiple,
            "escalate_to": forms.CheckboxSelectMultiple,
            "quiet_from": forms.TimeInput({"type": "time"}, format="%H:%M"),
            "quiet_until": forms.TimeInput({"type": "time"}, format="%H:%M"),
        }
        help_texts = {
            "limit": _("In the unit of the device; in minutes where there is no data."),
            "name": _("Empty: what it raises an alarm for."),
        }

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.instance.account = account
        fields: Any = self.fields
        fields["kind"].choices = AlarmRule.ACCOUNT_KINDS
        fields["gateway"].offer(account, chosen=str(self["gateway"].value() or ""))
        fields["device"].choices = _list_devices(account, str(self["device"].value() or ""))
        members = User.objects.filter(memberships__account=account, is_active=True)
        reachable = members.exclude(email="").order_by("username")
        for name in ("recipients", "escalate_to"):
            fields[name].queryset = reachable
            if not reachable.exists():  # an empty list of boxes says nothing
                fields[name].help_text = _(
                    "No member of this account has an e-mail address. Each enters their own under "
                    "Profile."
                )
        fields["webhook"].queryset = Webhook.objects.filter(account=account)

    def clean_gateway(self) -> Any:
        """The gateway, of this account as its choices are."""
        pk = self.cleaned_data["gateway"]
        return None if pk is None else self.instance.account.gateways.get(pk=pk)

    def clean_device(self) -> Any:
        """The device, of this account as its choices are."""
        pk = self.cleaned_data["device"]
        return pk and Device.objects.select_related("gateway").get(pk=pk)

    def clean(self) -> None:
        """Keep what the kind needs, and ask for it."""
        values = self.cleaned_data
        spec = KINDS.get(values.get("kind", ""))
        if spec is not None and not spec.has_limit:
            values["limit"], values["margin"] = None, 0
        elif values.get("limit") is None and "limit" not in self.errors:
            self.add_error("limit", ValidationError(_("This condition needs a limit."), "required"))
        if spec is not None and spec.unit == "min" and (values.get("limit") or 1) <= 0:
            self.add_error("limit", ValidationError(_("Expected more than 0 minutes."), "minutes"))
        device = values.get("device")
        if device is not None:
            is_of_gateway = spec is not None and spec.source == Source.GATEWAYS
            values["gateway"] = device.gateway if is_of_gateway else None
            values["device"] = None if is_of_gateway else device
        if not (values.get("recipients") or values.get("webhook")):
            text = _("Choose who is told: somebody by e-mail, or a webhook.")
            self.add_error("recipients", ValidationError(text, "nobody"))
        self._check_pairs()

    def _check_pairs(self) -> None:
        values = self.cleaned_data
        if (values.get("quiet_from") is None) != (values.get("quiet_until") is None):
            text = _("Quiet hours need a start and an end.")
            self.add_error("quiet_until", ValidationError(text, "pair"))
        if bool(values.get("escalate_minutes")) != bool(values.get("escalate_to")):
            text = _("An escalation needs a time and somebody to tell.")
            self.add_error("escalate_minutes", ValidationError(text, "pair"))


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new webhook. Its secret is made here and shown once."""

    url = forms.URLField(label=_("Address"), max_length=500, assume_scheme="https")

    class Meta:
        model = Webhook
        fields = ("name", "url")

    def __init__(self, *args: Any, account: Account | None, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", "auto_id": "webhook-%s", **kwargs})
        self.instance.account = account
        self.instance.secret = secrets.token_urlsafe(32)

    def clean_url(self) -> str:
        """Reject what no delivery would be made to. Names are resolved at each delivery."""
        url: str = self.cleaned_data["url"]
        parts = urlsplit(url)
        if parts.username or parts.password:
            raise ValidationError(_("Expected an address without a user and password."), "user")
        if parts.scheme != "https" and not settings.OPTIONS.alarms.webhook_networks:
            raise ValidationError(_("Expected an address that begins with https://."), "https")
        try:
            is_private = not is_public(ipaddress.ip_address(parts.hostname or ""))
        except ValueError:
            is_private = parts.hostname == "localhost"
        if is_private and not settings.OPTIONS.alarms.webhook_networks:
            raise ValidationError(_("Expected a public address."), "private")
        return url


def _list_devices(account: Account, chosen: str) -> list[tuple[str, Any]]:
    """The account's devices; of very many the first ones, and the one that is chosen."""
    devices = Device.objects.filter(account=account).order_by("gateway__code", "code")
    columns = ("pk", "gateway__code", "code", "name")
    rows = list(devices.values_list(*columns)[:MOST_CHOICES])
    if chosen.isdecimal() and len(rows) == MOST_CHOICES:
        rows += devices.filter(pk=chosen).values_list(*columns)
    offered = {str(pk): f"{gateway} {code} {name}".strip() for pk, gateway, code, name in rows}
    return [("", _("All")), *offered.items()]
