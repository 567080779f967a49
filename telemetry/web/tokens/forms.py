"""The form of a new token."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from telemetry.accounts.tokens import MOST_TOKENS, count_tokens
from telemetry.models import Account, ApiToken, User
from telemetry.web.signin.limits import is_password

LIFETIMES = {
    "30": _("30 days"), "90": _("90 days"), "365": _("A year"), "": _("Until it is revoked"),
}  # fmt: skip


class TokenForm(forms.Form):
    """What it is for, what it allows, how long."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("What uses it, for example: nightly export."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("It may"),
        choices=ApiToken.Scope.choices,
        initial=[ApiToken.Scope.READ],
        widget=forms.CheckboxSelectMultiple,
    )
    account: Any = forms.ModelChoiceField(
        label=_("Account"),
        queryset=Account.objects.none(),
        required=False,
        empty_label=_("All accounts that you are a member of"),
    )
    lifetime = forms.ChoiceField(
        label=_("Valid for"), choices=list(LIFETIMES.items()), initial="90", required=False
    )

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=_("Your own: a token opens the API without it."),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        assert isinstance(request.user, User)
        self._request, self._user = request, request.user
        user = request.user
        accounts = Account.objects.filter(memberships__user=user, is_active=True)
        self.fields["account"].queryset = accounts.order_by("name")  # type: ignore[attr-defined]

    def clean_password(self) -> str:
        """An open session is not enough for a token that outlives it."""
        password: str = self.cleaned_data["password"]
        if not is_password(self._request, password):
            raise ValidationError(_("This is not your password."), code="password")
        return password

    def clean(self) -> dict[str, Any]:
        """Reject a token too many."""
        if count_tokens(self._user) >= MOST_TOKENS:
            raise ValidationError(
                _("You have %(most)d tokens: revoke one first."),
                params={"most": MOST_TOKENS},
                code="most_tokens",
            )
        return self.cleaned_data

    def find_expiry(self) -> datetime | None:
        """When the token ends; None: when it is revoked."""
        days = self.cleaned_data["lifetime"]
        return timezone.now() + timedelta(days=int(days)) if days else None
