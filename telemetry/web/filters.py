"""Filters of lists: GET parameters, so that an address can be shared."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from telemetry.models import Account, Gateway
from telemetry.web.long_select import LongSelect
from telemetry.web.paging import PageField

MOST_CHOICES = 500
LONGEST_SEARCH = 100


class Filters(forms.Form):
    """What every list takes: a search and a page.

    A wrong parameter gets a message at its field; then there is no list.
    """

    search = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=LONGEST_SEARCH,
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    page = PageField()
    use_required_attribute = False

    def __init__(self, data: Any, *, account: Account) -> None:
        super().__init__(data, label_suffix="")
        self.account = account

    @property
    def is_filtering(self) -> bool:
        """Whether something is chosen, so that an empty list says another thing."""
        return any(self.cleaned_data.get(name) for name in self.fields if name != "page")


class GatewayField(forms.TypedChoiceField):
    """One of an account's gateways; of very many, the first ones by code."""

    def __init__(self) -> None:
        super().__init__(
            label=_("Gateway"), required=False, coerce=int, empty_value=None, widget=LongSelect
        )

    def offer(self, account: Account, *, chosen: str) -> None:
        """Offer the account's gateways; `chosen` also when it is not among the first ones."""
        gateways = Gateway.objects.filter(account=account).order_by("code")
        rows = list(gateways.values_list("pk", "code", "name")[:MOST_CHOICES])
        if chosen.isdecimal() and len(rows) == MOST_CHOICES:
            rows += gateways.filter(pk=chosen).values_list("pk", "code", "name")
        offered = {str(pk): f"{code} {name}".strip() for pk, code, name in rows}
        self.choices = [("", _("All")), *offered.items()]
