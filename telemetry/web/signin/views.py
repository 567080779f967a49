"""Sign-in beyond Django: limits on guesses in every form, and whether e-mail can be sent."""

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView, PasswordResetView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from telemetry.web.signin.limits import is_password

MINUTES = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)


def render_lockout(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """Status 429: too many failures from here."""
    answer = render(request, "telemetry/signin/locked.html", {"minutes": MINUTES}, status=429)
    answer.headers["Retry-After"] = str(MINUTES * 60)
    return answer


class ChangeForm(PasswordChangeForm):
    """Django's form, with the limit of the sign-in."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_old_password(self) -> str:
        """The password that is valid now."""
        password: str = self.cleaned_data["old_password"]
        if not is_password(self._request, password):
            raise ValidationError(
                self.error_messages["password_incorrect"], code="password_incorrect"
            )
        return password


class ChangePassword(PasswordChangeView):
    """Set another password. The admin leads here, too."""

    form_class = ChangeForm
    template_name = "telemetry/signin/change.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        """With the request, whose address counts."""
        return {**super().get_form_kwargs(), "request": self.request}


class ForgottenPassword(PasswordResetView):
    """Send a link for a new password. The answer is the same whether anybody has the address."""

    template_name = "telemetry/signin/forgotten.html"
    email_template_name = "telemetry/signin/forgotten_email.txt"
    subject_template_name = "telemetry/signin/forgotten_subject.txt"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """With whether this site sends e-mail at all."""
        return super().get_context_data(has_mail=bool(settings.OPTIONS.mail.url), **context)
