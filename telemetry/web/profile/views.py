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

from telemetry.models import User
from telemetry.web.signin.limits import is_password


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
        if "email" in self.changed_data and not is_password(
            self._request, data.get("password", "")
        ):
            self.add_error("password", _("Your password is needed for another e-mail address."))
        return data


@login_required
def profile(request: Any) -> HttpResponse:
    """Show and change it."""
    form = ProfileForm(request.POST or None, instance=request.user, request=request)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        with translation.override(user.language or translation.get_language()):
            messages.success(request, _("Your profile was saved."))
        return redirect("profile")
    return render(
        request,
        "telemetry/profile/profile.html",
        {"form": form},
        status=400 if form.errors else 200,
    )
