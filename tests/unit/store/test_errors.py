"""Which database errors pass, and which do not."""

import psycopg
import pytest
from kombu.exceptions import OperationalError as QueueError
from psycopg import errors
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from telemetry.store.db.errors import FaultKind, judge_fault, needs_new_session

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
        *((error, FaultKind.TRANSIENT) for error in sorted(TRANSIENT, key=str)),
        *((error, FaultKind.MESSAGE) for error in sorted(MESSAGE, key=str)),
        *((error, FaultKind.UNKNOWN) for error in sorted(UNKNOWN, key=str)),
    ],
)
def test_it_judges_by_sqlstate(error: type[psycopg.Error], kind: FaultKind) -> None:
    assert judge_fault(error()) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.OperationalError("server closed the connection"), FaultKind.TRANSIENT),
        (psycopg.InterfaceError("the connection is closed"), FaultKind.TRANSIENT),
        (psycopg.ProgrammingError("wrong placeholders"), FaultKind.UNKNOWN),
        (RedisConnectionError("connection refused"), FaultKind.TRANSIENT),
        (RedisTimeoutError("timed out"), FaultKind.TRANSIENT),
        (OutOfMemoryError("used memory > 'maxmemory'"), FaultKind.TRANSIENT),
        (ReadOnlyError("a replica"), FaultKind.TRANSIENT),
        (QueueError("no connection to the queue"), FaultKind.TRANSIENT),
        (KeyError("valor"), FaultKind.UNKNOWN),
    ],
)
def test_it_judges_errors_without_a_sqlstate(error: Exception, kind: FaultKind) -> None:
    assert judge_fault(error) is kind


def test_it_makes_a_new_session_unless_another_transaction_was_in_the_way() -> None:
    assert needs_new_session(errors.ReadOnlySqlTransaction())
    assert not needs_new_session(errors.DeadlockDetected())
    assert not needs_new_session(ValueError())
