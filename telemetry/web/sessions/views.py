"""Where a user is signed in, and ending that."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from telemetry.accounts.sessions import digest_session, end_session, end_sessions, list_sessions
from telemetry.web.sessions.agents import name_agent


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def sessions(request: Any) -> HttpResponse:
    """List them. POST ends the one that `end` names, or all others."""
    if request.method == "POST":
        if "end" in request.POST:
            if end_session(request.user, digest=request.POST["end"]):
                messages.success(request, _("The session has ended."))
        else:
            ended = end_sessions(request.user, but=request.session.session_key)
            text = ngettext("%(count)s session has ended.", "%(count)s sessions have ended.", ended)
            messages.success(request, text % {"count": ended})
        return redirect("sessions")
    rows = [
        {
            "session": row,
            "digest": digest_session(row),
            "agent": name_agent(row.agent),
            "is_this": row.session_key == request.session.session_key,
        }
        for row in list_sessions(request.user)
    ]
    return render(request, "telemetry/sessions/sessions.html", {"rows": rows})
