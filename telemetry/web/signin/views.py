"""Sign-in beyond Django: the response to too many failures, and whether e-mail can be sent."""

from typing import Any

from django.conf import settings
from django.contrib.auth.views import PasswordResetView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

MINUTES = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)


def render_lockout(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """Status 429: too many failures from here."""
    answer = render(request, "telemetry/signin/locked.html", {"minutes": MINUTES}, status=429)
    answer.headers["Retry-After"] = str(MINUTES * 60)
    return answer


class ForgottenPassword(PasswordResetView):
    """Send a link for a new password. The answer is the same whether anybody has the address."""

    template_name = "telemetry/signin/forgotten.html"
    email_template_name = "telemetry/signin/forgotten_email.txt"
    subject_template_name = "telemetry/signin/forgotten_subject.txt"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """With whether this site sends e-mail at all."""
        return super().get_context_data(has_mail=bool(settings.OPTIONS.mail.url), **context)
