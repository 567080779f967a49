"""Edit one dead letter and replay it, after a dry run."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from kombu.exceptions import OperationalError
from redis import RedisError
from unfold.decorators import display

from telemetry.accounts.staff import sees_every_account
from telemetry.admin.workbench.payload import read_payload
from telemetry.core.batch import RawMessage
from telemetry.dead_letters.decide import record_edit
from telemetry.dead_letters.dry_run import try_messages
from telemetry.dead_letters.own import is_of_own_time
from telemetry.dead_letters.replay import replay_edited
from telemetry.dead_letters.texts import NEXT_STEPS, name_reason
from telemetry.models import DeadLetter

MOST_CHARACTERS = 262_144


class EditMixin:
    """The page `<key>/edit/` of a dead letter."""

    def get_urls(self) -> list[URLPattern]:
        """With the page before the others."""
        site: Any = self.admin_site  # type: ignore[attr-defined]
        view = site.admin_view(self.edit)
        name = "telemetry_deadletter_edit"
        return [path("<int:key>/edit/", view, name=name), *super().get_urls()]  # type: ignore[misc]

    @display(description=gettext_lazy("edit"))
    def edit_link(self, row: DeadLetter) -> SafeString | str:
        """A link to the page, of one that waits."""
        if row.state != DeadLetter.State.PENDING:
            return "-"
        address = reverse("admin:telemetry_deadletter_edit", args=[row.pk])
        return format_html(
            '<a class="text-primary-600" href="{}">{}</a>', address, _("Edit and replay…")
        )

    def edit(self, request: HttpRequest, key: int) -> HttpResponse:
        """Show the payload in a form; try what was typed, or send it."""
        admin: Any = self
        row: DeadLetter | None = DeadLetter.objects.filter(pk=key).first()
        if row is None or not admin.has_change_permission(request, row):
            raise Http404
        shown = read_payload(row)
        text = request.POST.get("payload", shown.text)[:MOST_CHARACTERS]
        dry_run = None
        if request.method == "POST":
            if "replay" in request.POST:
                return self._replay(request, row, text)
            message = RawMessage(row.topic, text.encode("utf-8", "replace"))
            dry_run = try_messages([message], now=timezone.now())
        context = {
            **admin.admin_site.each_context(request),
            "title": _("Edit and replay"), "opts": admin.opts, "original": row, "row": row,
            "payload": shown, "text": text, "dry_run": dry_run, "name": name_reason(row.reason),
            "next_step": NEXT_STEPS.get(row.reason, ""), "is_pending": row.state == "pending",
            "reasons": [(name_reason(code), n) for code, n in dry_run.rejected.items()]
            if dry_run else [],
        }  # fmt: skip
        return TemplateResponse(request, "telemetry/admin/edit_dead_letter.html", context)

    def _replay(self, request: HttpRequest, row: DeadLetter, text: str) -> HttpResponse:
        admin: Any = self
        user: Any = request.user
        payload = text.encode("utf-8", "replace")
        if not sees_every_account(user) and not is_of_own_time(row, payload):
            error = _("At its time the gateway is another account's: nothing was sent.")
            admin.message_user(request, error, messages.ERROR)
            return redirect("admin:telemetry_deadletter_edit", row.pk)
        try:
            is_sent = replay_edited(row, payload, user=user)
        except (RedisError, OperationalError):
            error = _("Redis does not answer: nothing was sent. Try again later.")
            admin.message_user(request, error, messages.ERROR)
            return redirect("admin:telemetry_deadletter_edit", row.pk)
        if not is_sent:
            note = _("It does not wait any more: nothing was sent.")
            admin.message_user(request, note, messages.WARNING)
        else:
            record_edit(row, note=request.POST.get("note", "").strip()[:500], user=user)
            note = _(
                "The edited message was sent. What is rejected again waits under its new reason."
            )
            admin.message_user(request, note, messages.SUCCESS)
        return redirect("admin:telemetry_deadlettergroup_changelist")
