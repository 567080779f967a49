"""Sign-in beyond Django: limits on guesses in every form, and whether e-mail can be sent."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.views import PasswordChangeView, PasswordResetView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _

from telemetry.accounts.tokens import revoke_all_tokens
from telemetry.mail.limits import count_mail
from telemetry.mail.outbox import has_mail, queue_mail
from telemetry.web.signin.address import read_client_address
from telemetry.web.signin.limits import is_password

TOO_MANY = _("Too many e-mails were requested. Try again in an hour.")
NOT_QUEUED = _("No e-mail can be sent at the moment. Try again later.")
MINUTES = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)


def render_lockout(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """Status 429: too many failures from here."""
    answer = render(request, "telemetry/signin/locked.html", {"minutes": MINUTES}, status=429)
    answer.headers["Retry-After"] = str(MINUTES * 60)
    return answer


class RevokeTokensForm(forms.Form):
    """A form of a new password that also ends API tokens, if the user wishes."""

    revoke_tokens = forms.BooleanField(
        label=_("Revoke all my API tokens, too"),
        required=False,
        help_text=_("If somebody else may know your password: programs then need new tokens."),
    )

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Set the password, then end the tokens."""
        user = super().save(commit)  # type: ignore[misc]
        if self.cleaned_data["revoke_tokens"]:
            revoke_all_tokens(user)
        return user


class SetForm(RevokeTokensForm, SetPasswordForm):  # type: ignore[type-arg]
    """Of a link for a new password."""


class ChangeForm(RevokeTokensForm, PasswordChangeForm):
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
    """Send a link for a new password. The answer is the same whether anybody has the address, and
    takes the same time: a worker looks for users."""

    template_name = "telemetry/signin/forgotten.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """With whether this site sends e-mail at all."""
        return super().get_context_data(has_mail=has_mail(), **context)

    def form_valid(self, form: Any) -> HttpResponse:
        """Queue the e-mail, unless too many were asked for."""
        email = form.cleaned_data["email"]
        above = count_mail("reset", address=read_client_address(self.request), recipient=email)
        if "address" in above:
            form.add_error(None, TOO_MANY)
            return render(
                self.request, self.template_name, self.get_context_data(form=form), status=429
            )
        if not above and not queue_mail("reset", email=email):
            form.add_error(None, NOT_QUEUED)
            return render(
                self.request, self.template_name, self.get_context_data(form=form), status=503
            )
        return redirect(self.get_success_url())
