"""Judge database errors by SQLSTATE: which pass by themselves, and which do not.

Source: PostgreSQL 17, Appendix A (error codes). Everything not named here is unknown, and an
unknown error is isolated, never retried for ever.
"""

import psycopg

TRANSIENT_CLASSES = (
    "08",  # connection exception
    "53",  # insufficient resources: disk full, out of memory, too many connections
    "57",  # operator intervention: shutdown, crash, cannot connect now, statement timeout
    "58",  # system error outside PostgreSQL: I/O
)
TRANSIENT_STATES = (
    "25006",  # read-only transaction: a standby, or a server being failed over
    "40001",  # serialization failure
    "40003",  # statement completion unknown: the batch id decides
    "40P01",  # deadlock detected
    "55006",  # object in use
    "55P03",  # lock not available
    "3D000",  # database does not exist: being restored
)


def is_transient(error: BaseException) -> bool:
    """Whether repeating the same statement later may succeed."""
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate
    if state is None:
        # No answer from a server at all: the connection broke or could not be made.
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state[:2] in TRANSIENT_CLASSES or state in TRANSIENT_STATES
