"""What a member may do in an account: the one place that decides it, for pages and API."""

from enum import StrEnum

from telemetry.models import Membership, User


class Right(StrEnum):
    """Something that a role allows."""

    VIEW = "view"
    """See and export what belongs to the account."""
    OPERATE = "operate"
    """Acknowledge alarms, schedule reports."""
    MANAGE_MEMBERS = "manage_members"
    """Invite and remove members, change their roles."""


RIGHTS: dict[str, frozenset[Right]] = {
    Membership.Role.VIEWER: frozenset({Right.VIEW}),
    Membership.Role.ADMIN: frozenset({Right.VIEW, Right.OPERATE}),
    Membership.Role.OWNER: frozenset(Right),
}


def find_membership(user: User, *, account_id: int) -> Membership | None:
    """The user's membership in an active account, with the account; None for everything else.

    A foreign account and one that does not exist cannot be told apart.
    """
    return (
        Membership.objects.filter(user=user, user__is_active=True, account__is_active=True)
        .filter(account_id=account_id)
        .select_related("account")
        .first()
    )


def has_right(membership: Membership, right: Right) -> bool:
    """Whether the member's role allows it."""
    return right in RIGHTS[membership.role]
