"""Enrolments: which gateways ask for a certificate, and to which account each one goes."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from telemetry.admin.readonly import show_choice
from telemetry.certificates.enrolment import allocate, reject
from telemetry.certificates.errors import RequestError
from telemetry.models import Account, Enrolment, Gateway

State = Enrolment.State
APPROVE, TURN_DOWN = "telemetry_enrolment_approve", "telemetry_enrolment_turn_down"  # the buttons


class AllocationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Where the gateway goes. A registered one stays where it is."""

    account = forms.ModelChoiceField(
        label=_("account"),
        queryset=Account.objects.all(),
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    code = forms.CharField(
        label=_("code"),
        max_length=50,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("Unique in the account."),
    )

    class Meta:
        model = Enrolment
        fields = ["note"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        gateway = Gateway.objects.filter(mac=self.instance.mac).first()
        if gateway is not None and "account" in self.fields:
            self.initial.update(account=gateway.account_id, code=gateway.code)

    def clean(self) -> dict[str, Any]:
        """Account and code are needed to approve."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if APPROVE in self.data:
            for name in ("account", "code"):
                if not cleaned.get(name):
                    self.add_error(name, _("Choose where the gateway goes."))
        return cleaned


@admin.register(Enrolment)
class EnrolmentAdmin(ModelAdmin):  # type: ignore[misc]
    """What gateways ask for. Only a pending one can be decided; nothing is deleted."""

    form = AllocationForm
    list_display = [
        "mac", "state_label", "lot", "serial_number", "model", "firmware_version", "gateway",
        "requested_at", "seen_at", "decided_by",
    ]  # fmt: skip
    list_filter = [
        "state",
        ["lot", AutocompleteSelectFilter],
        ["requested_at", RangeDateTimeFilter],
    ]
    list_filter_submit = True
    list_select_related = ["lot", "gateway", "decided_by"]
    search_fields = ["mac", "serial_number"]
    actions_submit_line = ["approve", "turn_down"]
    shown = [
        "mac", "state", "lot", "serial_number", "model", "firmware_version", "address",
        "requested_at", "seen_at", "key_digest", "gateway", "certificate", "decided_by",
        "decided_at",
    ]  # fmt: skip
    readonly_fields = shown
    state_label = show_choice(
        "state",
        _("state"),
        {"pending": "warning", "approved": "info", "issued": "success", "rejected": "danger"},
        ordering="state",
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The form is there while something can be decided."""
        if self.has_change_permission(request, obj):
            return [*self.shown, "account", "code", "note"]
        return [*self.shown, "note"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Of one that is decided nothing is changed."""
        is_open = obj is None or obj.state == State.PENDING
        return is_open and bool(super().has_change_permission(request, obj))

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the two buttons are shown."""
        is_key = str(object_id).isdecimal()
        row = Enrolment.objects.filter(pk=object_id).first() if is_key else None
        return self.has_change_permission(request, row)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the two buttons of a decision, without those that save."""
        context.update(show_save=False, show_save_and_continue=False)
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def save_model(self, request: HttpRequest, obj: Enrolment, form: Any, change: Any) -> None:
        """Run the pressed button; the row changes only if it is still pending."""
        if APPROVE in request.POST:
            self.approve(request, obj, form.cleaned_data)
        elif TURN_DOWN in request.POST:
            self.turn_down(request, obj, form.cleaned_data)

    @action(description=_("Allocate and approve"), permissions=["decide"])
    def approve(self, request: HttpRequest, obj: Enrolment, chosen: Any = None) -> None:
        """Register the gateway in the account; a worker signs its request."""
        if not chosen:
            return
        try:
            allocate(
                obj,
                account=chosen["account"],
                code=chosen["code"],
                by=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            )
        except RequestError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            text = _("Approved. A maintenance worker signs it, and the gateway collects it.")
            self.message_user(request, text, messages.SUCCESS)

    @action(description=_("Reject"), permissions=["decide"])
    def turn_down(self, request: HttpRequest, obj: Enrolment, chosen: Any = None) -> None:
        """The gateway is told the note."""
        if not chosen:
            return
        by: Any = request.user
        if reject(obj, by=by, note=chosen["note"], now=timezone.now()):
            self.message_user(request, _("Rejected."), messages.SUCCESS)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Back to the list; the button's own message says what happened."""
        response: HttpResponse = self.response_post_save_change(request, obj)
        return response
