"""A payload as the workbench shows it: laid out, with the failing line marked."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from msgspec import Struct
from unfold.decorators import display

from telemetry.core.failing_field import ShownLine, mark_lines
from telemetry.core.shown_payload import show_payload
from telemetry.models import DeadLetter


class MarkedPayload(Struct, frozen=True):
    """Lines of a payload; `text` is all of it, for a form; empty where it is no text."""

    lines: list[ShownLine]
    is_cut: bool
    text: str


def read_payload(dead_letter: DeadLetter) -> MarkedPayload:
    """The payload of a dead letter."""
    shown = show_payload(bytes(dead_letter.payload))
    reason = dead_letter.reason if shown.form == "json" else ""
    lines = mark_lines(shown.text, reason=reason, detail=dead_letter.detail)
    is_text = shown.form != "hex" and not shown.is_cut
    return MarkedPayload(lines, shown.is_cut, shown.text if is_text else "")


class PayloadMixin:
    """The payload on the page of a dead letter, and its download."""

    def get_urls(self) -> list[URLPattern]:
        """The download beside the usual pages."""
        site: Any = self.admin_site  # type: ignore[attr-defined]
        download = path(
            "<int:dead_letter_id>/payload",
            site.admin_view(self.download_payload),
            name="telemetry_deadletter_payload",
        )
        return [download, *super().get_urls()]  # type: ignore[misc]

    @display(description=_("payload"))
    def payload_view(self, row: DeadLetter) -> SafeString:
        """The payload in readable form, escaped."""
        payload = show_payload(bytes(row.payload))
        marked = read_payload(row) if payload.form == "json" else None
        context = {"payload": payload, "marked": marked}
        return render_to_string("telemetry/admin/payload.html", context)

    @display(description=_("raw payload"))
    def payload_download(self, row: DeadLetter) -> SafeString:
        """A link to the bytes as they came."""
        address = reverse("admin:telemetry_deadletter_payload", args=[row.pk])
        return format_html('<a class="text-primary-600" href="{}">{}</a>', address, _("Download"))

    def download_payload(self, request: HttpRequest, dead_letter_id: int) -> HttpResponse:
        """The bytes as they came, as a file and never as a page."""
        row = DeadLetter.objects.filter(pk=dead_letter_id).first()
        admin: Any = self
        if row is None or not admin.has_view_permission(request, row):
            raise Http404
        return HttpResponse(
            bytes(row.payload),
            content_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="dead-letter-{row.pk}.bin"',
                "X-Content-Type-Options": "nosniff",
            },
        )
