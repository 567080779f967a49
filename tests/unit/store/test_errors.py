"""Which database errors pass, and which do not."""

import psycopg
import pytest
from kombu.exceptions import OperationalError as QueueError
from psycopg import errors
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from telemetry.store.db.errors import ErrorKind, classify_error, needs_new_session

TRANSIENT = {
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.StatementCompletionUnknown,
    errors.ReadOnlySqlTransaction,
    errors.TooManyConnections,
    errors.DiskFull,
    errors.OutOfMemory,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.ConnectionFailure,
    errors.IoError,
    errors.InvalidCatalogName,
    errors.InvalidPassword,
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.InsufficientPrivilege,
    errors.FeatureNotSupported,
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
}
MESSAGE = {
    errors.NumericValueOutOfRange,
    errors.InvalidTextRepresentation,
    errors.UntranslatableCharacter,
    errors.NotNullViolation,
    errors.ProgramLimitExceeded,
}
UNKNOWN = {errors.InternalError_, errors.RaiseException, errors.DataCorrupted}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *((error, ErrorKind.TRANSIENT) for error in sorted(TRANSIENT, key=str)),
        *((error, ErrorKind.MESSAGE) for error in sorted(MESSAGE, key=str)),
        *((error, ErrorKind.UNKNOWN) for error in sorted(UNKNOWN, key=str)),
    ],
)
def test_it_classifies_by_sqlstate(error: type[psycopg.Error], kind: ErrorKind) -> None:
    assert classify_error(error()) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.OperationalError("server closed the connection"), ErrorKind.TRANSIENT),
        (psycopg.InterfaceError("the connection is closed"), ErrorKind.TRANSIENT),
        (psycopg.ProgrammingError("wrong placeholders"), ErrorKind.UNKNOWN),
        (RedisConnectionError("connection refused"), ErrorKind.TRANSIENT),
        (RedisTimeoutError("timed out"), ErrorKind.TRANSIENT),
        (OutOfMemoryError("used memory > 'maxmemory'"), ErrorKind.TRANSIENT),
        (ReadOnlyError("a replica"), ErrorKind.TRANSIENT),
        (QueueError("no connection to the queue"), ErrorKind.TRANSIENT),
        (KeyError("valor"), ErrorKind.UNKNOWN),
    ],
)
def test_it_classifies_errors_without_a_sqlstate(error: Exception, kind: ErrorKind) -> None:
    assert classify_error(error) is kind


def test_it_makes_a_new_session_unless_another_transaction_was_in_the_way() -> None:
    assert needs_new_session(errors.ReadOnlySqlTransaction())
    assert not needs_new_session(errors.DeadlockDetected())
    assert not needs_new_session(ValueError())
