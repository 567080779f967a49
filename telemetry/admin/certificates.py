"""Certificates, and the way to them: allocate a gateway, bring a request, revoke.

Nothing is signed here: pages have no key of the CA. What is approved is signed by the maintenance
pool, within a second while it runs.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from telemetry.admin.confirm import ask_first
from telemetry.admin.readonly import ReadOnlyAdmin
from telemetry.certificates.archive import issue_archive
from telemetry.certificates.enrolment import request_for
from telemetry.certificates.errors import CertificateError
from telemetry.certificates.issue import find_gateway, read_chain
from telemetry.certificates.lots import close_lot
from telemetry.certificates.revocation import revoke_certificate
from telemetry.certificates.signing_request import read_signing_request
from telemetry.models import Certificate, Lot
from telemetry.models.fleet import normalise_mac

LISTED = 20


class RequestForm(forms.Form):
    """A signing request, as text."""

    csr = forms.CharField(
        label=_("signing request"),
        widget=UnfoldAdminTextareaWidget(),
        help_text=_("PKCS #10 as PEM. Its CN is the MAC of a registered gateway."),
    )


class GatewayForm(forms.Form):
    """The gateway that gets a key."""

    mac = forms.CharField(label=_("MAC"), widget=UnfoldAdminTextInputWidget())

    def clean_mac(self) -> str:
        """The MAC as it is stored."""
        return normalise_mac(self.cleaned_data["mac"])


@admin.register(Certificate)
class CertificateAdmin(ReadOnlyAdmin):
    """Every certificate that was issued. Revoking is the only change."""

    list_display = [
        "common_name", "state_label", "gateway", "not_before", "not_after", "issued_by",
        "revoked_at", "revoked_by", "reason",
    ]  # fmt: skip
    list_filter = [
        ("revoked_at", admin.EmptyFieldListFilter), "reason",
        ["gateway", AutocompleteSelectFilter], ["not_after", RangeDateTimeFilter],
    ]  # fmt: skip
    list_filter_submit = True
    list_select_related = ["gateway", "issued_by", "revoked_by"]
    search_fields = ["common_name", "serial"]
    fields = [
        "serial", "common_name", "gateway", "state_label", "not_before", "not_after", "issued_at",
        "issued_by", "revoked_at", "revoked_by", "reason", "pem", "chain",
    ]  # fmt: skip
    readonly_fields = fields
    actions = ["revoke"]
    actions_list = ["bring_request", "make_key"]

    @display(
        description=_("state"),
        label={"valid": "success", "expired": "warning", "revoked": "danger"},
    )
    def state_label(self, row: Certificate) -> tuple[str, Any]:
        """Valid, expired or revoked: the colour, and the text."""
        texts = {"valid": _("valid"), "expired": _("expired"), "revoked": _("revoked")}
        state = row.get_state(now=timezone.now())
        return state, texts[state]

    @display(description=_("with the CA's"))
    def chain(self, row: Certificate) -> SafeString:
        """A link to the file for the gateway."""
        address = reverse("admin:telemetry_certificate_chain", args=[row.pk])
        return format_html('<a class="text-primary-600" href="{}">{}</a>', address, _("Download"))

    def get_urls(self) -> list[URLPattern]:
        """The download beside the usual pages."""
        download = path(
            "<int:certificate_id>/chain",
            self.admin_site.admin_view(self.download_chain),
            name="telemetry_certificate_chain",
        )
        return [download, *super().get_urls()]

    def download_chain(self, request: HttpRequest, certificate_id: int) -> HttpResponse:
        """The certificate and those of the CA above it, as PEM. Nothing in it is secret."""
        row = Certificate.objects.filter(pk=certificate_id).first()
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        try:
            return _send_file(read_chain(row), "application/x-pem-file", "gateway.crt")
        except CertificateError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(
                reverse("admin:telemetry_certificate_change", args=[row.pk])
            )

    def has_issue_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Whoever may add certificates, although nobody fills in a form for one."""
        return request.user.has_perm("telemetry.add_certificate")

    def has_revoke_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Whoever may change certificates; the only change there is."""
        return request.user.has_perm("telemetry.change_certificate")

    @action(description=_("Sign a request"), permissions=["issue"], url_path="sign")
    def bring_request(self, request: HttpRequest) -> HttpResponse:
        """A gateway's signing request, brought by hand."""
        form = RequestForm(request.POST or None)
        if form.is_valid():
            try:
                signing_request = read_signing_request(form.cleaned_data["csr"].encode())
                enrolment = request_for(signing_request, by=request.user, now=timezone.now())  # type: ignore[arg-type]
            except CertificateError as error:
                form.add_error("csr", str(error))
            else:
                text = _("Approved. A maintenance worker signs it.")
                self.message_user(request, text, messages.SUCCESS)
                address = reverse("admin:telemetry_enrolment_change", args=[enrolment.pk])
                return HttpResponseRedirect(address)
        return self._show_form(request, form, title=_("Sign a request"), button=_("Sign"))

    @action(description=_("Make key and certificate"), permissions=["issue"], url_path="make-key")
    def make_key(self, request: HttpRequest) -> HttpResponse:
        """A ZIP with a key that exists nowhere else: the response is its only copy."""
        form = GatewayForm(request.POST or None)
        if form.is_valid():
            try:
                gateway = find_gateway(form.cleaned_data["mac"])
                certificate, archive = issue_archive(gateway, by=request.user)  # type: ignore[arg-type]
            except CertificateError as error:
                form.add_error("mac", str(error))
            else:
                self.log_change(request, certificate, "key and certificate downloaded")
                name = f"{gateway.mac.replace(':', '')}.zip"
                return _send_file(archive, "application/zip", name)
        explanation = _(
            "For a gateway that cannot make a key itself. The file is made once and kept nowhere: "
            "whoever loses it makes another and revokes this one."
        )
        return self._show_form(
            request,
            form,
            title=_("Make key and certificate"),
            button=_("Make and download"),
            explanation=explanation,
        )

    def _show_form(self, request: HttpRequest, form: forms.Form, **texts: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "form": form,
            "back": reverse("admin:telemetry_certificate_changelist"), **texts,
        }  # fmt: skip
        return TemplateResponse(request, "telemetry/admin/certificate_form.html", context)

    @action(description=_("Revoke selected certificates"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, rows: QuerySet[Certificate]) -> HttpResponse | None:
        """Ask first, then end the certificates of the selection."""
        open_ones = rows.filter(revoked_at=None)
        reason = request.POST.get("choice", "")
        if "confirmed" in request.POST and reason in Certificate.Reason.values:
            total = 0
            for row in open_ones:
                done = revoke_certificate(
                    row,
                    reason=reason,
                    now=timezone.now(),
                    revoked_by=request.user,  # type: ignore[arg-type]
                )
                if done:
                    self.log_change(request, row, f"revoked: {reason}")
                    total += 1
            text = ngettext(
                "%(counter)s certificate revoked.", "%(counter)s certificates revoked.", total
            )
            self.message_user(request, text % {"counter": total}, messages.SUCCESS)
            return None
        total = open_ones.count()
        question = ngettext(
            "Revoke %(counter)s certificate?", "Revoke %(counter)s certificates?", total
        )
        warning = _(
            "The broker ends the gateway's connection and refuses it. This cannot be undone."
        )
        return ask_first(
            self,
            request,
            title=_("Revoke certificates"),
            question=f"{question % {'counter': total}} {warning}",
            button=_("Revoke"),
            action="revoke",
            ids=rows.values_list("pk", flat=True),
            rows=[str(row) for row in open_ones[:LISTED]],
            choices=Certificate.Reason.choices,
        )


@admin.register(Lot)
class LotAdmin(ReadOnlyAdmin):
    """Production lots. `manage.py ca lot` opens one: its key is for the factory alone."""

    list_display = [
        "name",
        "max_gateways",
        "gateways_so_far",
        "created_at",
        "not_after",
        "closed_at",
    ]
    search_fields = ["name"]
    actions = ["close"]

    @display(description=_("gateways so far"))
    def gateways_so_far(self, row: Lot) -> int:
        """How many have asked for a certificate."""
        return row.enrolments.count()

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Whoever may change lots."""
        return request.user.has_perm("telemetry.change_lot")

    @action(description=_("Close selected lots"), permissions=["close"])
    def close(self, request: HttpRequest, lots: QuerySet[Lot]) -> HttpResponse | None:
        """Ask first, then let nobody enrol with their certificates any more."""
        if "confirmed" in request.POST:
            total = sum(close_lot(lot, now=timezone.now()) for lot in lots)
            text = ngettext("%(counter)s lot closed.", "%(counter)s lots closed.", total)
            self.message_user(request, text % {"counter": total}, messages.SUCCESS)
            return None
        warning = _(
            "No gateway enrols with their certificates any more. What was issued stays valid."
        )
        return ask_first(
            self,
            request,
            title=_("Close lots"),
            question=str(warning),
            button=_("Close"),
            action="close",
            ids=lots.values_list("pk", flat=True),
            rows=[str(lot) for lot in lots[:LISTED]],
        )


def _send_file(data: bytes, kind: str, name: str) -> HttpResponse:
    """A file that no cache keeps."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return HttpResponse(data, content_type=kind, headers=headers)
