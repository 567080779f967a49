"""Turn the second factor on and off, and make new recovery codes. Each needs the password."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django_otp import login as remember_device

from telemetry.accounts.second_factor import (
    count_recovery_codes,
    has_second_factor,
    must_have_second_factor,
    renew_recovery_codes,
    turn_off,
    turn_on,
)
from telemetry.web.signin.limits import is_password
from telemetry.web.signin.second_factor import NEW_KEY, CodeForm, show_key, take_key

TEMPLATES = "telemetry/second_factor"


class PasswordForm(forms.Form):
    """An open session is not enough to change how one signs in."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_password(self) -> str:
        """The user's own."""
        password: str = self.cleaned_data["password"]
        if not is_password(self._request, password):
            raise ValidationError(_("This is not your password."), code="password")
        return password


class TurnOnForm(CodeForm, PasswordForm):
    """A code shows that the app has the key."""

    field_order = ("code", "password")


@never_cache
@login_required
@sensitive_post_parameters()
def second_factor(request: Any) -> HttpResponse:
    """The page."""
    if not request.user.has_usable_password():
        return render(request, f"{TEMPLATES}/provider.html")
    page = _manage if has_second_factor(request.user) else _turn_on
    return page(request)


def _turn_on(request: Any) -> HttpResponse:
    form = TurnOnForm(request.POST or None, request=request)
    key = take_key(request, request.user)
    if form.is_valid():
        device = turn_on(request.user, key=key, code=form.cleaned_data["code"])
        if device is not None:
            del request.session[NEW_KEY]
            remember_device(request, device)
            return _show_codes(request, is_told=False)
        form.add_error("code", _("This code is not right, or was used already."))
    context: dict[str, Any] = {"form": form, **show_key(request.user, key)}
    status = 400 if form.errors else 200
    return render(request, f"{TEMPLATES}/set_up.html", context, status=status)


def _manage(request: Any) -> HttpResponse:
    is_required = must_have_second_factor(request.user)
    form = PasswordForm(request.POST or None, request=request)
    if form.is_valid():
        if request.POST.get("do") == "codes":
            return _show_codes(request)
        if request.POST.get("do") == "off" and not is_required:
            turn_off(request.user)
            messages.success(request, _("The second factor is off."))
            return redirect("second-factor")
    context = {
        "form": form, "is_required": is_required, "left": count_recovery_codes(request.user),
    }  # fmt: skip
    status = 400 if form.errors else 200
    return render(request, f"{TEMPLATES}/manage.html", context, status=status)


def _show_codes(request: Any, *, is_told: bool = True) -> HttpResponse:
    """The only answer that ever has them."""
    codes = renew_recovery_codes(request.user, is_told=is_told)
    return render(request, f"{TEMPLATES}/codes.html", {"codes": codes, "to": "/profile/"})
