"""Pages of a user's tokens: list, create, revoke. What ended stays listed a while."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from telemetry.accounts.tokens import issue_token, revoke_token
from telemetry.models import ApiToken
from telemetry.web.tokens.forms import TokenForm

LISTED_AFTER_END = timedelta(days=30)
MOST_LISTED = 200


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: Any) -> HttpResponse:
    """The user's tokens. A new one is shown in the answer that creates it, and nowhere again."""
    form = TokenForm(request.POST or None, request=request)
    issued, text = None, ""
    if request.method == "POST" and form.is_valid():
        issued, text = issue_token(
            request.user,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            account=form.cleaned_data["account"],
            expires_at=form.find_expiry(),
        )
        form = TokenForm(request=request)
    context = {
        "form": form, "issued": issued, "text": text, "now": timezone.now(),
        "tokens": _list_tokens(request.user), "scopes": dict(ApiToken.Scope.choices),
    }  # fmt: skip
    status = 400 if form.errors else 200
    return render(request, "telemetry/tokens/tokens.html", context, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: Any, token_id: int) -> HttpResponse:
    """Ask, then end a token for good."""
    token = get_object_or_404(ApiToken, pk=token_id, user=request.user)
    if request.method == "POST":
        revoke_token(token)
        messages.success(request, _("The token %(name)s was revoked.") % {"name": token.name})
        return redirect("tokens")
    return render(request, "telemetry/tokens/revoke.html", {"token": token})


def _list_tokens(user: Any) -> list[ApiToken]:
    """Newest first; without those that ended long ago."""
    since = timezone.now() - LISTED_AFTER_END
    rows = ApiToken.objects.filter(
        Q(revoked_at=None) | Q(revoked_at__gt=since),
        Q(expires_at=None) | Q(expires_at__gt=since),
        user=user,
    )
    return list(rows.select_related("account")[:MOST_LISTED])
