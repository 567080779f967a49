"""Invitations, and what became of memberships. Owners manage both on the pages of their account."""

from django.contrib import admin
from unfold.contrib.filters.admin import RangeDateTimeFilter

from telemetry.admin.readonly import ReadOnlyAdmin
from telemetry.models import Invitation, MembershipEvent


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Who was invited to which account."""

    list_display = ["email", "account", "role", "invited_by", "created_at", "expires_at",
        "accepted_at", "accepted_by", "revoked_at"]  # fmt: skip
    list_filter = ["account", "role", ["created_at", RangeDateTimeFilter]]
    list_select_related = ["account", "invited_by", "accepted_by"]
    search_fields = ["email"]


@admin.register(MembershipEvent)
class MembershipEventAdmin(ReadOnlyAdmin):
    """Who changed whose membership."""

    list_display = ["at", "account", "kind", "whom", "role", "by"]
    list_filter = ["account", "kind", ["at", RangeDateTimeFilter]]
    list_select_related = ["account", "by"]
    search_fields = ["whom"]
