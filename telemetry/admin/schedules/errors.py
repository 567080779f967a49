"""Errors of tasks in words: what happened, and what to do."""

import re
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), text)
    for pattern, text in (
        (
            r"redis|connecting to .*:\d+\. |BusyLoading|kombu",
            gettext_noop("Redis did not answer. The next run tries again."),
        ),
        (
            r"DiskFull|No space left|could not extend file|OutOfMemory|MemoryError|maxmemory",
            gettext_noop("A disk or the memory is full: see Storage, and make room."),
        ),
        (
            r"InsufficientPrivilege|permission denied|PermissionError",
            gettext_noop("A right is missing: a role of the database, or the owner of a file."),
        ),
        (
            r"UndefinedTable|UndefinedColumn|does not exist",
            gettext_noop("The database is not of this release: run migrate."),
        ),
        (
            r"QueryCanceled|statement timeout|LockNotAvailable|lock timeout",
            gettext_noop("A statement took longer than it may. If it happens again, look at the "
                         "database's load."),
        ),
        (
            r"Deadlock|SerializationFailure|could not serialize",
            gettext_noop("Two transactions of the database were in each other's way. The next run "
                         "tries again."),
        ),
        (
            r"SMTP|smtplib",
            gettext_noop("The mail server refused, or did not answer: see EMAIL_HOST."),
        ),
        (
            r"^(Operational|Interface)Error|AdminShutdown|ConnectionTimeout|TooManyConnections"
            r"|connection (failed|refused|is closed|is bad)|server closed the connection",
            gettext_noop("The database did not answer. The next run tries again."),
        ),
        (
            r"TimeoutError|timed out|TimeLimitExceeded",
            gettext_noop("It took longer than it may."),
        ),
        (
            r"NotRegistered",
            gettext_noop("No worker knows this task: the name is wrong, or workers are of an older "
                         "release."),
        ),
    )
)  # fmt: skip
UNKNOWN = gettext_noop("The program failed. The page of the run has the whole error: report it.")


def describe_error(error: Any) -> str:
    """The error that a run noted, in words."""
    text = str(error)
    return _(next((text_of for rule, text_of in RULES if rule.search(text)), UNKNOWN))
