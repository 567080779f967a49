"""Which accounts a staff user sees in the admin: those of which it is a member, one at a time.

Administrators, and staff with the permission `see_every_account`, see all. For all others the wall
of the database stands in the admin as it does on members' pages (`store/db/account_scope.py`), and
lists that belong to no account are closed: users, batches, tasks.
"""

from typing import Any

from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.db import connection, models

from telemetry.accounts.access import list_memberships
from telemetry.models import Account, User
from telemetry.store.db.account_scope import identify, open_account

EVERY = "telemetry.see_every_account"
CHOSEN = "admin_account"
"""Where the session keeps the account that is looked at."""
NOBODY = -1
CLOSED = frozenset({"add_account", "delete_account"})
"""What would make an account that one does not see, or end one's own."""


class AccountStaff:
    """An authentication backend that takes permissions away, and gives none. It stands first."""

    def authenticate(self, *_: Any, **__: Any) -> None:
        """Nobody signs in by it."""

    def has_perm(self, user: Any, perm: str, obj: Any = None) -> bool:
        """Raise `PermissionDenied` for what belongs to no account, for staff of some accounts."""
        if not user.is_active or not user.is_staff or perm == EVERY or sees_every_account(user):
            return False
        app, _dot, codename = perm.partition(".")
        if codename in CLOSED or not is_of_account(app, codename.rpartition("_")[2]):
            raise PermissionDenied
        return False


def sees_every_account(user: Any) -> bool:
    """Whether nothing is hidden from the user. Asked once for each user object."""
    if not hasattr(user, "_sees_every_account"):
        user._sees_every_account = user.is_superuser or user.has_perm(EVERY)
    return bool(user._sees_every_account)


def is_of_account(app: str, model_name: str) -> bool:
    """Whether every row of a model belongs to an account: by its own field, or by the gateway or
    device that it is about."""
    try:
        model = apps.get_model(app, model_name)
    except LookupError:
        return False
    return has_account(model)


def has_account(model: type[models.Model]) -> bool:
    """The same for the model itself."""
    if model is Account:
        return True
    names = {field.name for field in model._meta.fields}
    return "account" in names or bool(names & {"gateway", "device"})


def list_given(user: User) -> list[Account]:
    """The accounts that were given to the user, by name."""
    with identify():
        memberships = list_memberships(user).order_by("account__name")
        return [membership.account for membership in memberships]


def name_given(request: Any, rows: "models.QuerySet[Any]") -> "models.QuerySet[Any]":
    """Rows with an account, for staff of some: those of the account that is open, by its name. They
    see no others anyway; but what the wall says, the database cannot look up in an index."""
    account = getattr(request, "given_account", None)
    return rows if account is None else rows.filter(account=account)


def open_given(request: Any) -> None:
    """Open the account that the user chose, or the first one; none at all where none was given.

    Raises `PermissionDenied` where the database does not hold the wall: then nothing is shown.
    """
    given = {account.pk: account for account in list_given(request.user)}
    wanted = request.GET.get("account", "")
    if wanted.isdecimal() and int(wanted) in given:
        request.session[CHOSEN] = int(wanted)
    chosen = request.session.get(CHOSEN)
    if chosen not in given:
        chosen = next(iter(given), NOBODY)
    open_account(chosen)
    request.given_accounts = list(given.values())
    request.given_account = given.get(chosen)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_security_active('gateway')")
        if not cursor.fetchone()[0]:
            raise PermissionDenied("the database's role owns the tables: give staff every account")
