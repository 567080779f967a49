"""Where something is deleted, offer to deactivate it instead."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _


class DeactivateMixin:
    """The page that asks before it deletes says what would go, and has a button that deactivates.
    Of accounts, gateways and devices: `is_active` stops what they send, and keeps what there is."""

    delete_confirmation_template = "telemetry/admin/delete.html"

    def get_urls(self) -> list[URLPattern]:
        """With what the button does."""
        admin: Any = self
        name = f"telemetry_{admin.opts.model_name}_deactivate"
        view = admin.admin_site.admin_view(self.deactivate)
        return [path("<int:key>/deactivate/", view, name=name), *super().get_urls()]  # type: ignore[misc]

    def deactivate(self, request: HttpRequest, key: int) -> HttpResponse:
        """Deactivate it, and show its form, where it can be activated again."""
        admin: Any = self
        found = admin.get_queryset(request).filter(pk=key).first()
        if found is None or request.method != "POST":
            raise Http404
        if not admin.has_change_permission(request, found):
            raise PermissionDenied
        found.is_active = False
        found.save()
        admin.log_change(request, found, [{"changed": {"fields": ["is_active"]}}])
        text = _("%(what)s is deactivated. What it sends becomes dead letters; nothing is deleted.")
        admin.message_user(request, text % {"what": found}, messages.SUCCESS)
        return redirect(f"admin:telemetry_{admin.opts.model_name}_change", key)
