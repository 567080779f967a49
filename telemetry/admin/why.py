""" "Why no data?" of a gateway or a device, as a page of its admin."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from telemetry.diagnosis.checks import Action
from telemetry.diagnosis.diagnose import diagnose
from telemetry.diagnosis.facts import read_facts
from telemetry.models import Device, Gateway


class WhyMixin:
    """The page `<key>/why/` of a gateway's or a device's admin, and a column that links to it."""

    actions_detail = ["ask_why"]

    def get_urls(self) -> list[URLPattern]:
        """With the page before the others."""
        admin: Any = self
        view = admin.admin_site.admin_view(self.show_why)
        name = f"telemetry_{admin.opts.model_name}_why"
        return [path("<int:key>/why/", view, name=name), *super().get_urls()]  # type: ignore[misc]

    def show_why(self, request: HttpRequest, key: int) -> HttpResponse:
        """The page. 404 for what the user may not see."""
        admin: Any = self
        found = admin.get_queryset(request).filter(pk=key).first()
        if found is None or not admin.has_view_permission(request, found):
            raise Http404
        device = found if isinstance(found, Device) else None
        gateway: Gateway = found.gateway if isinstance(found, Device) else found
        facts = read_facts(gateway, device=device, now=timezone.now())
        context = {
            **admin.admin_site.each_context(request),
            "title": _("Why no data?"),
            "opts": admin.opts,
            "original": found,
            "facts": facts,
            "diagnosis": diagnose(facts, find_link),
            "edit_link": reverse(f"admin:telemetry_{admin.opts.model_name}_change", args=[key]),
        }
        return TemplateResponse(request, "telemetry/admin/why.html", context)

    @action(description=_("Why no data?"), url_path="ask-why", icon="help")
    def ask_why(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button on the form."""
        if not str(object_id).isdecimal():
            raise Http404
        return self.show_why(request, int(object_id))

    @display(description=_("data"))
    def why_link(self, row: Any) -> SafeString:
        """A link to the page."""
        admin: Any = self
        address = reverse(f"admin:telemetry_{admin.opts.model_name}_why", args=[row.pk])
        return format_html(
            '<a class="text-primary-600" href="{}">{}</a>', address, _("Why no data?")
        )


def find_link(of: Action) -> str:
    """The address of an action in the admin."""
    if of.page in ("gateway", "device", "account"):
        return reverse(f"admin:telemetry_{of.page}_change", args=[of.key])
    if of.page == "dead_letters":
        return reverse("admin:telemetry_deadletter_change", args=[of.key.newest_id])
    lists = {"certificates": "certificate", "enrolments": "enrolment", "findings": "finding"}
    address = reverse(f"admin:telemetry_{lists[of.page]}_changelist")
    return f"{address}?{urlencode({'q': of.key})}" if of.key else address
