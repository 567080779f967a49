"""Who belongs to an account: invite, join, change a role, remove. Each change is recorded.

An account always keeps an owner: changes of an account's members wait for each other.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction

from telemetry.models import Account, Invitation, Membership, MembershipEvent, User

VALID_FOR = timedelta(days=7)
Kind = MembershipEvent.Kind


class MemberError(Exception):
    """The change is not possible. The text is one line for people."""


class LastOwnerError(MemberError):
    """The account would be left without an owner."""


def digest_token(token: str) -> str:
    """What is stored of an invitation's secret. It has 256 random bits: a fast digest is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def invite(account: Account, *, email: str, role: str, by: User, now: datetime) -> str:
    """Invite somebody into the account; returns the secret of the invitation, which is not stored.

    An earlier invitation of the same address becomes void.
    """
    _lock(account)
    earlier = Invitation.objects.filter(account=account, email__iexact=email, accepted_at=None)
    earlier.filter(revoked_at=None).update(revoked_at=now)
    token = secrets.token_urlsafe(32)
    Invitation.objects.create(
        account=account,
        email=email,
        role=role,
        invited_by=by,
        token_digest=digest_token(token),
        expires_at=now + VALID_FOR,
    )
    _record(account, Kind.INVITED, whom=email, role=role, by=by)
    return token


def renew_secret(invitation: Invitation) -> str:
    """Another secret for an invitation; links with the one before stop working."""
    token = secrets.token_urlsafe(32)
    Invitation.objects.filter(pk=invitation.pk).update(token_digest=digest_token(token))
    return token


def find_invitation(token: str, *, now: datetime) -> Invitation | None:
    """The invitation of a secret: not used, revoked or too old, and of an active account."""
    return (
        Invitation.objects.filter(
            token_digest=digest_token(token), accepted_at=None, revoked_at=None,
            expires_at__gt=now, account__is_active=True,
        )
        .select_related("account")
        .first()
    )  # fmt: skip


@transaction.atomic
def revoke(invitation: Invitation, *, by: User, now: datetime) -> None:
    """Revoke an invitation. Repeating it changes nothing."""
    is_changed = Invitation.objects.filter(
        pk=invitation.pk, accepted_at=None, revoked_at=None
    ).update(revoked_at=now)
    if is_changed:
        _record(
            invitation.account, Kind.REVOKED, whom=invitation.email, role=invitation.role, by=by
        )


@transaction.atomic
def accept(invitation: Invitation, *, user: User, now: datetime) -> Membership:
    """Join by an invitation, once. Who is a member already keeps the role. Raises `MemberError`."""
    _lock(invitation.account)
    is_mine = Invitation.objects.filter(
        pk=invitation.pk, accepted_at=None, revoked_at=None, expires_at__gt=now
    ).update(accepted_at=now, accepted_by=user)
    if not is_mine:
        raise MemberError("this invitation was used, revoked or is too old")
    membership, is_new = Membership.objects.get_or_create(
        account=invitation.account, user=user, defaults={"role": invitation.role}
    )
    if is_new:
        role = membership.role
        _record(invitation.account, Kind.JOINED, whom=user.username, role=role, by=user)
    return membership


@transaction.atomic
def change_role(membership: Membership, *, role: str, by: User) -> None:
    """Give a member another role. Raises `LastOwnerError`."""
    _lock(membership.account)
    if role != Membership.Role.OWNER:
        _keep_owner(membership)
    if Membership.objects.filter(pk=membership.pk).exclude(role=role).update(role=role):
        whom = membership.user.username
        _record(membership.account, Kind.ROLE_CHANGED, whom=whom, role=role, by=by)


@transaction.atomic
def remove(membership: Membership, *, by: User) -> None:
    """End a membership: another's, or one's own. Raises `LastOwnerError`."""
    _lock(membership.account)
    _keep_owner(membership)
    if Membership.objects.filter(pk=membership.pk).delete()[0]:
        kind = Kind.LEFT if by.pk == membership.user_id else Kind.REMOVED
        whom, role = membership.user.username, membership.role
        _record(membership.account, kind, whom=whom, role=role, by=by)


def _lock(account: Account) -> None:
    """Hold other changes of this account's members until the transaction ends."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)


def _keep_owner(membership: Membership) -> None:
    others = Membership.objects.filter(
        account=membership.account, role=Membership.Role.OWNER, user__is_active=True
    ).exclude(pk=membership.pk)
    is_owner = Membership.objects.filter(pk=membership.pk, role=Membership.Role.OWNER).exists()
    if is_owner and not others.exists():
        raise LastOwnerError("an account keeps at least one owner: make another member owner first")


def _record(account: Account, kind: str, *, whom: str, role: str, by: User) -> None:
    MembershipEvent.objects.create(account=account, kind=kind, whom=whom, role=role, by=by)
