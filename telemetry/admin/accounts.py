"""Users, groups, accounts, and who may see them."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from telemetry.accounts.second_factor import turn_off
from telemetry.accounts.sessions import end_sessions
from telemetry.admin.confirm import ask_first
from telemetry.admin.deactivate import DeactivateMixin
from telemetry.admin.own_users import OwnUsersMixin
from telemetry.admin.readonly import NewWithoutTimeMixin
from telemetry.models import Account, Gateway, Identity, Membership, User

admin.site.unregister(Group)
# Their pages show secrets.
admin.site.unregister([TOTPDevice, StaticDevice])


class MembershipInline(OwnUsersMixin, TabularInline):  # type: ignore[misc]
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
    list_display = ["username", "email", "is_staff", "is_superuser", "is_active",
        "has_second_factor", "last_login"]  # fmt: skip
    actions = ["end_sessions", "reset_second_factor"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With whether codes are asked for."""
        users: QuerySet[User] = super().get_queryset(request)
        devices = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        return users.annotate(asks_code=Exists(devices))

    @display(description=_("second factor"), boolean=True)
    def has_second_factor(self, user: User) -> bool:
        """Whether the sign-in takes a code."""
        return bool(getattr(user, "asks_code", False))

    def has_reset_permission(self, request: HttpRequest) -> bool:
        """Administrators alone: who resets it, and the password too, could sign in as the user."""
        return bool(request.user.is_superuser)

    @action(description=_("Sign out everywhere"), permissions=["reset"])
    def end_sessions(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """End the users' sessions."""
        for user in users:
            end_sessions(user)
            self.log_change(request, user, "sessions ended")
        self.message_user(request, _("The sessions have ended."), messages.SUCCESS)

    @action(description=_("Reset second factor"), permissions=["reset"])
    def reset_second_factor(
        self, request: HttpRequest, users: QuerySet[User]
    ) -> HttpResponse | None:
        """Ask first; then the users' apps and recovery codes are void, and their sessions end."""
        if "confirmed" in request.POST:
            for user in users:
                if turn_off(user):
                    self.log_change(request, user, "second factor reset")
                end_sessions(user)
            self.message_user(request, _("The second factor was reset."), messages.SUCCESS)
            return None
        return ask_first(
            self,
            request,
            title=_("Reset second factor"),
            question=gettext(
                "Reset the second factor of these users? Their sessions end, and the password is "
                "enough until they set up another app. Make sure that it is they who ask for it."
            ),
            button=_("Reset"),
            action="reset_second_factor",
            ids=list(users.values_list("pk", flat=True)),
            rows=[user.get_username() for user in users],
        )

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
class AccountAdmin(NewWithoutTimeMixin, DeactivateMixin, ModelAdmin):  # type: ignore[misc]
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
        gateways = Gateway.objects.filter(account=OuterRef("pk")).order_by().values("account")
        count = Subquery(gateways.annotate(count=Count("*")).values("count"))  # by the index alone
        return accounts.annotate(gateways_count=Coalesce(count, 0))

    @display(description=_("gateways"), ordering="gateways_count")
    def gateways_count(self, account: Account) -> int:
        """How many gateways it has."""
        return int(getattr(account, "gateways_count", 0))


@admin.register(Membership)
class MembershipAdmin(OwnUsersMixin, ModelAdmin):  # type: ignore[misc]
    """Who may do what in which account."""

    list_display = ["user", "account", "role"]
    list_filter = ["role", ["account", AutocompleteSelectFilter]]
    list_select_related = ["user", "account"]
    list_filter_submit = True
    search_fields = ["user__username", "user__email", "account__name"]
    autocomplete_fields = ["user", "account"]


@admin.register(Identity)
class IdentityAdmin(NewWithoutTimeMixin, ModelAdmin):  # type: ignore[misc]
    """Who users are at the identity provider. Administrators alone change it: whoever could would
    sign in as anybody."""

    list_display = ["user", "issuer", "subject", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__email", "subject"]
    autocomplete_fields = ["user"]
    readonly_fields = ["created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Identity | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Identity | None = None) -> bool:
        return bool(request.user.is_superuser)
