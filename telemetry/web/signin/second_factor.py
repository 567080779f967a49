"""The step of a sign-in after the password: a code, or setting the app up where one must have it.

Until it is done nobody is signed in: the session only knows who gave the right password.
"""

import time
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from telemetry.accounts.second_factor import (
    format_key,
    has_second_factor,
    make_address,
    make_key,
    must_have_second_factor,
    renew_recovery_codes,
    turn_on,
    verify_code,
)
from telemetry.models import User
from telemetry.web.signin.limits import count_failure, is_locked
from telemetry.web.signin.lockout import render_lockout
from telemetry.web.signin.qr import render_qr

PENDING = "sign_in_pending"
NEW_KEY = "new_second_factor_key"
BY_PROVIDER = "second_factor_by_provider"
"""Where a session has that the identity provider asked for a second factor."""
WITHIN_S = 600


class CodeForm(forms.Form):
    """One code."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=20,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True}
        ),
    )


class SecondFactorRequired:
    """Django middleware: ends sessions without a second factor of those who must have one, as when
    the setting changes or a member becomes staff."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        """Answer, as to nobody if need be."""
        user = request.user
        is_asked = user.is_authenticated and must_have_second_factor(user)
        if is_asked and not (user.is_verified() or request.session.get(BY_PROVIDER)):
            logout(request)
        return self.get_response(request)


def go_on(request: HttpRequest, user: Any, *, to: str) -> HttpResponse:
    """After the right password: sign in, or ask for the second factor first."""
    if not (has_second_factor(user) or must_have_second_factor(user)):
        login(request, user, backend=user.backend)
        return redirect(to)
    request.session.cycle_key()
    request.session[PENDING] = {
        "user": user.pk, "backend": user.backend, "to": to, "at": time.time(),
        "password": user.get_session_auth_hash(),
    }  # fmt: skip
    return redirect("sign-in-code")


@never_cache
@sensitive_post_parameters()
def enter_code(request: HttpRequest) -> HttpResponse:
    """The page of the second step."""
    pending: Any = request.session.get(PENDING)
    user = _find_pending(pending)
    if user is None:
        return redirect("login")
    if is_locked(request, user):
        return render_lockout(request)
    step = _ask_code if has_second_factor(user) else _set_up
    return step(request, user, to=pending["to"])


def _find_pending(pending: Any) -> User | None:
    if not pending or not 0 <= time.time() - pending["at"] < WITHIN_S:
        return None
    user = User.objects.filter(pk=pending["user"], is_active=True).first()
    if user is None or user.get_session_auth_hash() != pending["password"]:
        return None
    user.backend = pending["backend"]
    return user


def _ask_code(request: HttpRequest, user: User, *, to: str) -> HttpResponse:
    form = CodeForm(request.POST or None)
    if form.is_valid():
        device, wait_s = verify_code(user, code=form.cleaned_data["code"])
        if device is not None:
            _sign_in(request, user, device)
            return redirect(to)
        if wait_s:
            text = ngettext(
                "Too many wrong codes. Try again in %(seconds)s second.",
                "Too many wrong codes. Try again in %(seconds)s seconds.",
                wait_s,
            )
            form.add_error("code", text % {"seconds": wait_s})
        else:
            count_failure(request, user)
            form.add_error("code", _("This code is not right, or was used already."))
    return render(request, "telemetry/signin/code.html", {"form": form})


def _set_up(request: HttpRequest, user: User, *, to: str) -> HttpResponse:
    form, key = CodeForm(request.POST or None), take_key(request, user)
    if form.is_valid():
        device = turn_on(user, key=key, code=form.cleaned_data["code"])
        if device is not None:
            _sign_in(request, user, device)
            codes = renew_recovery_codes(user, is_told=False)
            shown = {"codes": codes, "to": to}
            return render(request, "telemetry/second_factor/codes.html", shown)
        form.add_error("code", _("This code is not right, or was used already."))
    context: dict[str, Any] = {"form": form, "is_pending": True, **show_key(user, key)}
    return render(request, "telemetry/second_factor/set_up.html", context)


def _sign_in(request: HttpRequest, user: Any, device: Any) -> None:
    for name in (PENDING, NEW_KEY):
        request.session.pop(name, None)
    user.otp_device = device  # django-otp puts it into the session
    login(request, user, backend=user.backend)


def take_key(request: HttpRequest, user: User) -> str:
    """The key that the user's app is being given: the same until a code has shown that it has it.
    Never that of somebody else who began in this browser, and would know the codes."""
    made = request.session.get(NEW_KEY)
    if not made or made["user"] != user.pk:
        made = request.session[NEW_KEY] = {"user": user.pk, "key": make_key()}
    return str(made["key"])


def show_key(user: User, key: str) -> dict[str, str]:
    """What a page shows of a key."""
    return {"qr": render_qr(make_address(user, key=key)), "key": format_key(key)}
