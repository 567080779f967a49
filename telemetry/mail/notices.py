"""Tell users by e-mail of changes that let somebody in: of the password and the address, wherever
they are made, of the second factor, of identities, and of API tokens."""

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver

from telemetry.accounts.identities import identity_linked
from telemetry.accounts.second_factor import second_factor_changed
from telemetry.accounts.tokens import token_issued, token_revoked
from telemetry.mail.outbox import has_mail, queue_mail
from telemetry.models import ApiToken, Identity, User

WATCHED = frozenset({"password", "email"})


def notify(user: User, what: str, *, email: str = "", detail: str = "") -> None:
    """Queue a notice when the transaction is over. `email`: where to, if not the user's own."""
    to = email or user.email
    if to and has_mail():
        about = {"user_id": user.pk, "email": to, "what": what, "detail": detail}
        transaction.on_commit(lambda: queue_mail("notice", **about))


@receiver(pre_save, sender=User)
def _note_address(instance: User, update_fields: Collection[str] | None = None, **_: Any) -> None:
    if has_mail() and (update_fields is None or not WATCHED.isdisjoint(update_fields)):
        addresses = User.objects.filter(pk=instance.pk).values_list("email", flat=True)
        instance.__dict__["_address_before"] = addresses.first()


@receiver(post_save, sender=User)
def _tell_changes(instance: User, *, created: bool, **_: Any) -> None:
    before = instance.__dict__.pop("_address_before", None)
    if created or not before:
        return
    # By `set_password`, and not by a new hash of the same password.
    if getattr(instance, "_password", None) is not None:
        notify(instance, "password", email=before)
    if instance.email != before:
        notify(instance, "address", email=before)


@receiver(token_issued)
def _tell_issued(token: ApiToken, **_: Any) -> None:
    notify(token.user, "token_issued", detail=token.name)


@receiver(token_revoked)
def _tell_revoked(token: ApiToken, **_: Any) -> None:
    notify(token.user, "token_revoked", detail=token.name)


@receiver(second_factor_changed)
def _tell_second_factor(user: User, what: str, **_: Any) -> None:
    notify(user, f"second_factor_{what}")


@receiver(identity_linked)
def _tell_identity(identity: Identity, **_: Any) -> None:
    notify(identity.user, "identity_linked", detail=identity.issuer)
