"""Users, groups, accounts, and who may see them."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from telemetry.models import Account, Membership, User

admin.site.unregister(Group)


class MembershipInline(TabularInline):  # type: ignore[misc]
    """The members of an account, or the accounts of a user."""

    model = Membership
    autocomplete_fields = ["user", "account"]
    extra = 0


RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    """People who log in. Only administrators change staff and give rights: whoever could do either
    could become an administrator."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = [MembershipInline]
    list_display = ["username", "email", "is_staff", "is_superuser", "is_active", "last_login"]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Rights are given by administrators."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else (*fields, *RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_below(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_below(request, obj)

    def _is_below(self, request: HttpRequest, user: User | None) -> bool:
        """Whether the user has fewer rights for certain. None: some users have."""
        return bool(request.user.is_superuser) or user is None or not is_privileged(user)


def is_privileged(user: User) -> bool:
    """Whether a user has rights in the admin, or would have once it is staff."""
    return (
        user.is_staff or user.is_superuser or user.groups.exists() or user.user_permissions.exists()
    )


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Sets of permissions, which administrators change."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(Account)
class AccountAdmin(ModelAdmin):  # type: ignore[misc]
    """Tenants, with their members."""

    list_display = [
        "name", "time_zone", "billing_day", "is_active", "gateways_count", "created_at",
    ]  # fmt: skip
    list_filter = ["is_active", "time_zone"]
    search_fields = ["name"]
    readonly_fields = ["created_at"]
    inlines = [MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        accounts: QuerySet[Account] = super().get_queryset(request)
        return accounts.annotate(gateways_count=Count("gateways"))

    @display(description=_("gateways"), ordering="gateways_count")
    def gateways_count(self, account: Account) -> int:
        """How many gateways it has."""
        return int(getattr(account, "gateways_count", 0))


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):  # type: ignore[misc]
    """Who may do what in which account."""

    list_display = ["user", "account", "role"]
    list_filter = ["role", ["account", AutocompleteSelectFilter]]
    list_select_related = ["user", "account"]
    list_filter_submit = True
    search_fields = ["user__username", "user__email", "account__name"]
    autocomplete_fields = ["user", "account"]
