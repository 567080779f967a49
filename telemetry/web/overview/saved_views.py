"""Pages of saved views: save, share, delete."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from telemetry.accounts.access import Right, has_right
from telemetry.models import SavedView
from telemetry.models.dashboards import LONGEST_QUERY
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.overview.saved import clean_query, list_views

MOST_VIEWS = 50
"""Of a user in an account."""


class ViewForm(forms.ModelForm):  # type: ignore[type-arg]
    """The name of a view, and whether others see it."""

    class Meta:
        model = SavedView
        fields = ("name", "is_shared")


@account_page()
def save_view(request: AccountRequest) -> HttpResponse:
    """Save the view that `?` names; any member may, for themselves. To share one takes a right."""
    query = clean_query(request.GET.urlencode())
    may_share = has_right(request.membership, Right.OPERATE)
    view = SavedView(account=request.account, created_by=request.user, query=query)
    form = ViewForm(request.POST or None, instance=view, label_suffix="")
    if not may_share:
        del form.fields["is_shared"]
    if request.method == "POST" and form.is_valid():
        mine = SavedView.objects.filter(account=request.account, created_by=request.user)
        if len(query) > LONGEST_QUERY or mine.count() >= MOST_VIEWS:
            messages.error(request, _("You have as many views here as you may have."))
        else:
            form.save()
            messages.success(request, _("The view is saved."))
        address = reverse("overview", args=[request.account.pk])
        return redirect(f"{address}?{query}" if query else address)
    context = {
        "form": form,
        "views": list_views(request.account.pk, user_id=request.user.pk),
        "may_share": may_share,
    }
    status = 400 if form.errors else 200
    return render(request, "telemetry/overview/save_view.html", context, status=status)


@require_POST
@account_page()
def delete_view(request: AccountRequest, view_id: int) -> HttpResponse:
    """Delete a view: one's own, or a shared one by who may share."""
    view = get_object_or_404(SavedView, pk=view_id, account=request.account)
    if view.created_by_id != request.user.pk and not (
        view.is_shared and has_right(request.membership, Right.OPERATE)
    ):
        raise PermissionDenied
    view.delete()
    messages.success(request, _("The view %(name)s was deleted.") % {"name": view.name})
    return redirect("save-view", request.account.pk)
