"""Alarms, the rules that raise them, and what was delivered about them."""

import secrets
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import action, display

from telemetry.admin.own_users import OwnUsersMixin
from telemetry.admin.readonly import NewWithoutTimeMixin, ReadOnlyAdmin, show_choice
from telemetry.alarms.acknowledging import acknowledge
from telemetry.alarms.outbox import queue_test, send_again
from telemetry.alarms.rules import reset_rule
from telemetry.models import Alarm, AlarmDelivery, AlarmRule, Webhook


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin):
    """Open and past alarms of all accounts, and of the system. Members acknowledge theirs on their
    own page."""

    list_display = [
        "opened_at", "account", "device", "gateway", "kind_label", "limit", "value", "detail",
        "last_beyond_at", "closed_at", "ending", "acknowledged_by",
    ]  # fmt: skip
    list_filter = [
        ["account", AutocompleteSelectFilter], ["device", AutocompleteSelectFilter],
        ["kind", ChoicesDropdownFilter], ["ending", ChoicesDropdownFilter],
        ["opened_at", RangeDateTimeFilter],
    ]  # fmt: skip
    list_select_related = ["account", "device", "gateway", "acknowledged_by"]
    kind_label = show_choice("kind", _("kind"), {"low": "info", "high": "danger"})
    actions = ["acknowledge"]

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        """Whoever may change alarms."""
        return request.user.has_perm("telemetry.change_alarm")

    @action(description=_("Acknowledge selected alarms"), permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, alarms: QuerySet[Alarm]) -> None:
        """Record who saw them: nobody else is told of them any more."""
        count = sum(acknowledge(alarm, user=request.user, note="") for alarm in alarms)  # type: ignore[arg-type]
        text = ngettext("%(count)d alarm acknowledged.", "%(count)d alarms acknowledged.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)


@admin.register(AlarmRule)
class AlarmRuleAdmin(OwnUsersMixin, ModelAdmin):  # type: ignore[misc]
    """Rules about the system, and those of accounts. Without recipients a rule about the system
    tells all administrators with an e-mail address."""

    list_display = ["title", "account", "limit", "delay_minutes", "is_active", "evaluated_at"]
    list_filter = [
        ["account", AutocompleteSelectFilter], ["kind", ChoicesDropdownFilter], "is_active",
    ]  # fmt: skip
    list_select_related = ["account"]
    autocomplete_fields = ["account", "gateway", "device", "recipients", "escalate_to"]
    actions = ["send_test"]

    @display(description=_("rule"))
    def title(self, rule: AlarmRule) -> str:
        """Its name, or what it raises an alarm for."""
        return str(rule)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """With the help for rules about the system."""
        help_text = _("Empty: members are told by nobody, administrators of the system all.")
        return super().get_form(request, obj, **{"help_texts": {"recipients": help_text}, **kwargs})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """A rule that is changed ends its alarms, and is evaluated from now on."""
        if change:
            reset_rule(obj, now=timezone.now())
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """End its alarms first."""
        reset_rule(obj, now=timezone.now())
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AlarmRule]) -> None:
        """The same for several."""
        for rule in queryset:
            reset_rule(rule, now=timezone.now())
        super().delete_queryset(request, queryset)

    @action(description=_("Send a test"), permissions=["change"])
    def send_test(self, request: HttpRequest, rules: QuerySet[AlarmRule]) -> None:
        """Send a trial to everybody whom they tell."""
        count = sum(queue_test(rule, now=timezone.now()) for rule in rules)
        text = ngettext("%(count)d test is being sent.", "%(count)d tests are being sent.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)


@admin.register(Webhook)
class WebhookAdmin(NewWithoutTimeMixin, ModelAdmin):  # type: ignore[misc]
    """Webhooks; the secret of a new one is shown once, when it is saved."""

    list_display = ["name", "url", "account", "created_at"]
    list_filter = [["account", AutocompleteSelectFilter]]
    list_select_related = ["account"]
    autocomplete_fields = ["account"]
    readonly_fields = ["created_at"]
    search_fields = ["name", "url"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """An address without a scheme is one of https."""
        more = {"assume_scheme": "https"} if db_field.name == "url" else {}
        return super().formfield_for_dbfield(db_field, request, **kwargs, **more)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Make the secret."""
        if not change:
            obj.secret, obj.created_by = secrets.token_urlsafe(32), request.user
            text = _("The secret that signs every call, shown this once: %(secret)s")
            self.message_user(request, text % {"secret": obj.secret}, messages.WARNING)
        super().save_model(request, obj, form, change)


@admin.register(AlarmDelivery)
class AlarmDeliveryAdmin(ReadOnlyAdmin):
    """E-mails and calls of webhooks; those that were given up can be sent again."""

    list_display = [
        "created_at", "event", "rule", "user", "webhook", "account", "due_at", "tries", "sent_at",
        "failed_at", "error",
    ]  # fmt: skip
    list_filter = [
        ["event", ChoicesDropdownFilter], ("failed_at", admin.EmptyFieldListFilter),
        ("sent_at", admin.EmptyFieldListFilter),
    ]  # fmt: skip
    list_select_related = ["rule", "user", "webhook", "account"]
    actions = ["send_again"]

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Whoever may change deliveries; the only change there is."""
        return request.user.has_perm("telemetry.change_alarmdelivery")

    @action(description=_("Send again what was given up"), permissions=["resend"])
    def send_again(self, request: HttpRequest, deliveries: QuerySet[AlarmDelivery]) -> None:
        """Let them be tried again."""
        count = sum(send_again(delivery) for delivery in deliveries)
        text = ngettext("%(count)d is sent again.", "%(count)d are sent again.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)
