"""Sign-in beyond Django: a second step, limits on guesses in every form, and whether e-mail can be
sent."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.views import LoginView, PasswordChangeView, PasswordResetView
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from telemetry.accounts.tokens import revoke_all_tokens
from telemetry.mail.limits import count_mail
from telemetry.mail.outbox import has_mail, queue_mail
from telemetry.web.signin.address import read_client_network
from telemetry.web.signin.limits import is_password
from telemetry.web.signin.second_factor import go_on

TOO_MANY = _("Too many e-mails were requested. Try again in an hour.")
NOT_QUEUED = _("No e-mail can be sent at the moment. Try again later.")


class SignIn(LoginView):
    """Name and password, of the admin too; then the second factor, if there is one."""

    template_name = "telemetry/signin/login.html"
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The admin sends whom it does not let in here: it would go round in circles."""
        user: Any = request.user
        is_for_admin = self.get_redirect_url().startswith(reverse("admin:index"))
        if user.is_authenticated and is_for_admin and not user.is_staff:
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """With the identity provider."""
        return super().get_context_data(provider=settings.OPTIONS.sign_in.provider, **context)

    def form_valid(self, form: Any) -> HttpResponse:
        """The password is right."""
        return go_on(self.request, form.get_user(), to=self.get_success_url())


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
        above = count_mail("reset", address=read_client_network(self.request), recipient=email)
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
