"""Classify errors: transient ones, those of a message, unknown ones.

Errors of PostgreSQL by SQLSTATE (source: PostgreSQL 17, Appendix A). What Redis or the queue
answers always passes: it never depends on a message. These tables are the one place that decides:

transient   The server is away, full, being repaired or migrated, or another transaction was in the
            way: the batch waits, for ever, with backoff, and is never a dead letter.
message     A value that the server refuses: the batch is split until the message is alone,
            which becomes a dead letter `processing_error`.
unknown     Everything else, also errors that are none of the database's: the same, but when nearly
            every gateway is concerned, the reject guard holds the batches.
"""

from enum import StrEnum

import psycopg
from kombu.exceptions import OperationalError as QueueError
from redis import RedisError


class ErrorKind(StrEnum):
    """What an error says of the batch."""

    TRANSIENT = "transient"
    MESSAGE = "message"
    UNKNOWN = "unknown"


TRANSIENT_CLASSES = {
    "08": "connection exception",
    "28": "invalid authorization: a password is being changed",
    "3D": "no such database: it is being restored",
    "3F": "no such schema: it is being restored",
    "40": "transaction rollback: deadlock, serialization failure, completion unknown",
    "42": "no such table or column, or no right to it: a migration is running or missing",
    "53": "insufficient resources: disk full, out of memory, too many connections",
    "57": "operator intervention: shutdown, crash, cannot connect now, statement timeout",
    "58": "system error outside PostgreSQL: I/O",
}
TRANSIENT_STATES = {
    "0A000": "cached plan must not change: a migration ran",
    "25006": "read-only transaction: a standby, or a server being failed over",
    "25P03": "idle-in-transaction timeout: this process was stopped for long",
    "25P04": "transaction timeout: the same, or a slow server",
    "55000": "object not in the state that is needed: a standby, a restore",
    "55006": "object in use",
    "55P03": "lock not available",
}
MESSAGE_CLASSES = {
    "21": "cardinality violation",
    "22": "data exception: a value that the type does not hold",
    "23": "integrity constraint violation",
    "54": "program limit exceeded: too large, too deep",
}
# The session is as good as before; after any other transient error a new one is safer: it may be
# bound to a server that is read-only by now, or hold plans of an older schema.
KEEPS_SESSION = ("40001", "40P01", "55P03", "55006")


def classify_error(error: BaseException) -> ErrorKind:
    """Which row of the table an error belongs to."""
    if isinstance(error, RedisError | QueueError):
        return ErrorKind.TRANSIENT
    if not isinstance(error, psycopg.Error):
        return ErrorKind.UNKNOWN
    state = error.sqlstate
    if state is None:
        # No answer from a server at all: the connection broke or could not be made.
        is_lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return ErrorKind.TRANSIENT if is_lost else ErrorKind.UNKNOWN
    if state[:2] in TRANSIENT_CLASSES or state in TRANSIENT_STATES:
        return ErrorKind.TRANSIENT
    if state[:2] in MESSAGE_CLASSES:
        return ErrorKind.MESSAGE
    return ErrorKind.UNKNOWN


def is_transient(error: BaseException) -> bool:
    """Whether repeating the same statement later may succeed."""
    return classify_error(error) is ErrorKind.TRANSIENT


def needs_new_session(error: BaseException) -> bool:
    """Whether the connection should be opened again before the next try."""
    return isinstance(error, psycopg.Error) and error.sqlstate not in KEEPS_SESSION
