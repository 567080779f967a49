"""API tokens of all users: look, and revoke."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action

from telemetry.accounts.tokens import revoke_token
from telemetry.admin.confirm import ask_first
from telemetry.admin.own_users import OwnUserFilter
from telemetry.admin.readonly import ReadOnlyAdmin
from telemetry.models import ApiToken

LISTED = 20


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Who has which token, and when it was used last. Their texts are stored nowhere."""

    list_display = ["name", "prefix", "user", "account", "scopes", "created_at", "last_used_at",
        "expires_at", "revoked_at"]  # fmt: skip
    list_filter = [
        ["user", OwnUserFilter],
        ["created_at", RangeDateTimeFilter],
        ("revoked_at", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["user", "account"]
    search_fields = ["name", "prefix", "user__username"]
    exclude = ["digest"]
    actions = ["revoke"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whoever may change tokens; the only change there is."""
        return request.user.has_perm("telemetry.change_apitoken")

    @action(description=_("Revoke selected tokens"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> HttpResponse | None:
        """Ask first, then end the tokens of the selection."""
        total = tokens.count()
        if "confirmed" in request.POST:
            for token in tokens.select_related("user"):
                revoke_token(token)
            text = ngettext("%(counter)s token revoked.", "%(counter)s tokens revoked.", total)
            self.message_user(request, text % {"counter": total}, messages.SUCCESS)
            return None
        question = ngettext("Revoke %(counter)s token?", "Revoke %(counter)s tokens?", total)
        warning = _("Whatever uses them is rejected from then on. This cannot be undone.")
        return ask_first(
            self,
            request,
            title=_("Revoke tokens"),
            question=f"{question % {'counter': total}} {warning}",
            button=_("Revoke"),
            action="revoke",
            ids=list(tokens.values_list("pk", flat=True)),
            rows=[f"{token.user}: {token}" for token in tokens.select_related("user")[:LISTED]],
        )
