"""A user's own page: name, e-mail address, language."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from telemetry.mail.limits import count_mail
from telemetry.mail.links import read_address
from telemetry.mail.outbox import can_take_addresses, has_mail, queue_mail
from telemetry.models import User
from telemetry.web.signin.address import read_client_network
from telemetry.web.signin.limits import is_password
from telemetry.web.signin.views import NOT_QUEUED, TOO_MANY


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a user may change of itself."""

    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=[("", gettext_lazy("As the browser says")), *settings.LANGUAGES],
        required=False,
    )

    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=gettext_lazy("Needed for another address: links for new passwords go there."),
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "language", "email")

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean(self) -> dict[str, Any]:
        """Another address needs the password: an open session is not enough."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        is_other = "email" in self.changed_data
        if is_other and not is_password(self._request, data.get("password", "")):
            self.add_error("password", _("Your password is needed for another e-mail address."))
        elif is_other and data.get("email") and not can_take_addresses():
            text = _("This site sends no e-mail that could confirm it: ask the administrator.")
            self.add_error("email", text)
        return data


def _ask_to_confirm(request: HttpRequest, user: User, *, address: str) -> None:
    """Send a link there: the address changes when it is opened."""
    client = read_client_network(request)
    if count_mail("confirmation", address=client, user=user.pk, recipient=address):
        messages.error(request, TOO_MANY)
    elif queue_mail("confirmation", user_id=user.pk, email=address):
        text = _("Open the link that was sent to %(email)s: your address changes then.")
        messages.success(request, text % {"email": address})
    else:
        messages.error(request, NOT_QUEUED)


@never_cache
@login_required
def confirm_address(request: Any, token: str) -> HttpResponse:
    """The page of the link. It asks first: programs that check e-mails open links, too."""
    address = read_address(request.user, token=token)
    if address and request.method == "POST":
        request.user.email = address
        request.user.save(update_fields=["email"])
        messages.success(request, _("Your e-mail address is %(email)s now.") % {"email": address})
        return redirect("profile")
    status = 200 if address else 404
    return render(request, "telemetry/profile/confirm.html", {"address": address}, status=status)


@login_required
def profile(request: Any) -> HttpResponse:
    """Show and change it."""
    before: str = request.user.email
    form = ProfileForm(request.POST or None, instance=request.user, request=request)
    if request.method == "POST" and form.is_valid():
        user = form.save(commit=False)
        address = user.email
        must_confirm = has_mail() and address not in ("", before)
        if must_confirm:
            user.email = before
        user.save()
        with translation.override(user.language or translation.get_language()):
            messages.success(request, _("Your profile was saved."))
            if must_confirm:
                _ask_to_confirm(request, user, address=address)
        return redirect("profile")
    return render(
        request,
        "telemetry/profile/profile.html",
        {"form": form},
        status=400 if form.errors else 200,
    )
