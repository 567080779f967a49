"""Which account's rows the statements of this thread may see: the second wall between accounts.

The wall is in the database (`telemetry/sql/rights.sql`): policies that compare a row's account with
the session's `app.account_id`. They bind the role `tds_web` and no other. Here is what sets it:

every account   outside of requests (commands, tasks), and where `open_every_account` is called
none            from the start of a request: it can see who the user is, and the user's accounts
one             from `open_account` on, until the request ends

A change costs a round trip before the next statement. One that is made within a transaction is sent
again with each statement there, as a rollback would undo it unseen.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.core.signals import request_finished, request_started
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

NONE, EVERY = "", "0"
SETTING = "app.account_id"

_wanted = ContextVar("account_scope", default=EVERY)


def open_account(account_id: int) -> None:
    """From now on, show this account only, until the request ends."""
    _wanted.set(str(int(account_id)))


def open_every_account() -> None:
    """From now on, show everything, until the request ends: for administrators alone."""
    _wanted.set(EVERY)


@contextmanager
def identify() -> Iterator[None]:
    """For a moment, show memberships, accounts, invitations and tokens of all, and nothing else."""
    with _want(NONE):
        yield


@contextmanager
def look_beyond() -> Iterator[None]:
    """For a moment, show everything: to find out that something is another account's, and no
    more."""
    with _want(EVERY):
        yield


@contextmanager
def _want(scope: str) -> Iterator[None]:
    token = _wanted.set(scope)
    try:
        yield
    finally:
        _wanted.reset(token)


@receiver(request_started)
def _begin(**_: object) -> None:
    _wanted.set(NONE)


@receiver(request_finished)
def _end(**_: object) -> None:
    _wanted.set(EVERY)


@receiver(connection_created)
def _watch(connection: Any, **_: object) -> None:
    """A new session shows every account (`config/database.py`)."""
    connection.account_scope = EVERY
    if not any(isinstance(each, _Scope) for each in connection.execute_wrappers):
        connection.execute_wrappers.append(_Scope(connection))


class _Scope:
    """Tells a session which account is wanted before a statement that another one was told."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection: Any = connection

    def __call__(self, execute: Callable[..., Any], *statement: Any) -> Any:
        connection, wanted = self._connection, _wanted.get()
        if connection.account_scope != wanted:
            with connection.wrap_database_errors:
                connection.connection.execute("SELECT set_config(%s, %s, false)", [SETTING, wanted])
            is_lasting = connection.autocommit and not connection.in_atomic_block
            connection.account_scope = wanted if is_lasting else None
        return execute(*statement)
