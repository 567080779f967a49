"""The links of an account's screens: list, issue, revoke. For those who manage its members."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from telemetry.accounts.access import Right
from telemetry.accounts.kiosks import MOST_LINKS, issue_link, revoke_link
from telemetry.models import KioskLink
from telemetry.web.account_page import AccountRequest, account_page

LISTED = 50


class LinkForm(forms.Form):
    """A name for a new link."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=60,
        help_text=gettext_lazy("Where the screen is, for example: canteen."),
    )


@never_cache
@account_page(Right.MANAGE_MEMBERS)
def screens(request: AccountRequest) -> HttpResponse:
    """The links. A new one is shown in the answer that makes it, and nowhere again."""
    form = LinkForm(request.POST or None, label_suffix="")
    links = KioskLink.objects.filter(account=request.account).select_related("created_by")
    issued, address = None, ""
    if request.method == "POST" and form.is_valid():
        if links.filter(revoked_at=None).count() >= MOST_LINKS:
            messages.error(request, _("This account has as many links as it may have."))
            return redirect("screens", request.account.pk)
        name = form.cleaned_data["name"]
        issued, secret = issue_link(request.account, name=name, user=request.user)
        address = request.build_absolute_uri(reverse("kiosk", args=[secret]))
        form = LinkForm(label_suffix="")
    context = {
        "form": form,
        "issued": issued,
        "address": address,
        "links": links.order_by("-revoked_at", "name", "pk")[:LISTED],
    }
    status = 400 if form.errors else 200
    return render(request, "telemetry/kiosk/screens.html", context, status=status)


@require_POST
@account_page(Right.MANAGE_MEMBERS)
def revoke(request: AccountRequest, link_id: int) -> HttpResponse:
    """End a link for good."""
    link = get_object_or_404(KioskLink, pk=link_id, account=request.account)
    revoke_link(link, user=request.user)
    messages.success(request, _("The link %(name)s was revoked.") % {"name": link.name})
    return redirect("screens", request.account.pk)
