"""Users in forms and filters: staff of some accounts choose among the members of the account that
they look at. Whoever else's key they send is no valid choice, and no name is shown for it."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Field, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from telemetry.accounts.staff import sees_every_account
from telemetry.models import User


def list_users(request: Any) -> "QuerySet[User]":
    """Those that somebody may choose."""
    if sees_every_account(request.user):
        return User.objects.all()
    account = getattr(request, "given_account", None)
    return User.objects.filter(
        pk__in=User.objects.filter(memberships__account=account).values("pk")
    )


class OwnUsersMixin:
    """Of every admin, and of every inline, whose form has users."""

    def formfield_for_foreignkey(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **options: Any
    ) -> Any:
        """One user."""
        return super().formfield_for_foreignkey(  # type: ignore[misc]
            db_field, request, **_limit(db_field, request, options)
        )

    def formfield_for_manytomany(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **options: Any
    ) -> Any:
        """Several."""
        return super().formfield_for_manytomany(  # type: ignore[misc]
            db_field, request, **_limit(db_field, request, options)
        )


class OwnUserFilter(AutocompleteSelectFilter):  # type: ignore[misc]
    """The filter of a list by a user."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The form, with the users that may be chosen."""
        for choice in super().choices(changelist):
            choice["form"].fields[self.lookup_kwarg].queryset = list_users(self.request)
            yield choice


def _limit(
    db_field: "Field[Any, Any]", request: HttpRequest, options: dict[str, Any]
) -> dict[str, Any]:
    if db_field.related_model is not User:
        return options
    return {**options, "queryset": list_users(request)}
