"""What a member may do in an account: the one place that decides it, for pages and API."""

from enum import StrEnum

from django.db.models import QuerySet

from telemetry.models import Membership, User


class Right(StrEnum):
    """Something that a role allows."""

    VIEW = "view"
    """See and export what belongs to the account."""
    OPERATE = "operate"
    """Acknowledge alarms, schedule reports."""
    BILLING = "billing"
    """Edit readings, decide findings, close months."""
    MANAGE_MEMBERS = "manage_members"
    """Invite and remove members, change their roles."""


RIGHTS: dict[str, frozenset[Right]] = {
    Membership.Role.VIEWER: frozenset({Right.VIEW}),
    Membership.Role.ADMIN: frozenset({Right.VIEW, Right.OPERATE, Right.BILLING}),
    Membership.Role.OWNER: frozenset(Right),
}


def list_memberships(user: User) -> QuerySet[Membership]:
    """The user's memberships in active accounts, with the accounts."""
    if not user.is_active:
        return Membership.objects.none()
    memberships = Membership.objects.filter(user=user, account__is_active=True)
    return memberships.select_related("account")


def find_membership(user: User, *, account_id: int) -> Membership | None:
    """The user's membership in an active account, with the account; None for everything else.

    A foreign account and one that does not exist cannot be told apart.
    """
    found = list_memberships(user).filter(account_id=account_id).order_by()
    return next(iter(found), None)  # every page asks; an order would cost more than the question


def has_right(membership: Membership, right: Right) -> bool:
    """Whether the member's role allows it."""
    return right in RIGHTS[membership.role]
