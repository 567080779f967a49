"""One import from the first line to its totals: fingerprint, position, lines, wait."""

import time
from typing import Protocol

from msgspec import Struct

from telemetry.imports.feed import (
    Position,
    find_hindrance,
    find_position,
    find_stall,
    put_batch,
)
from telemetry.imports.line_batches import group_lines, skip_lines
from telemetry.imports.source import Source, SourceError
from telemetry.imports.validate import Checker
from telemetry.queue.batches import BatchQueue

LOOK_EVERY_S = 0.05
WAIT_EVERY_S = 0.25


class Show(Protocol):
    """Shows the progress of an import."""

    def begin(self, verb: str, *, total: int) -> None:
        """Another step begins."""

    def show(self, done: int, detail: str = "") -> None:
        """So much of the step is done."""

    def say(self, text: str) -> None:
        """Something that the operator must know."""


class Course(Struct):
    """What was found in the file so far. `lines`: all but empty ones and the header. `skipped`:
    those of them that an import before this one had sent."""

    prefix: str = ""
    sha256: str = ""
    lines: int = 0
    skipped: int = 0
    empty_lines: int = 0


def send_file(
    source: Source,
    course: Course,
    *,
    queue: BatchQueue,
    checker: Checker,
    topic_prefix: str,
    is_again: bool,
    show: Show,
) -> None:
    """Put every line that is not in the queue yet; `course` is kept up to date.

    Raises `SourceError`, `TooManyRejectedError`, `OvertakenError`, `psycopg.Error`,
    `redis.RedisError`, `kombu.exceptions.OperationalError`. Whatever ends it: the next call with
    the same file goes on where this one was.
    """
    show.begin("reading", total=0)
    whole = source.fingerprint(lambda size: show.show(size, f"{size / 1e6:,.0f} MB"))
    position = find_position(queue, whole.sha256, is_again=is_again)
    course.sha256, course.prefix = whole.sha256, position.prefix
    queue.watch()  # the end may have come just before a worker was called
    show.begin("sending", total=whole.size)
    with source.read(prefix=topic_prefix) as (lines, convert):
        skipped = skip_lines(lines, end=position.end)
        course.lines = course.skipped = skipped.lines
        course.empty_lines = skipped.empty_lines
        for batch in group_lines(lines, convert):
            course.empty_lines += batch.empty_lines
            if not batch.messages:
                continue
            source.check_unchanged()
            checker.check(batch)
            checker.require_mostly_good()
            _wait_for_room(queue, position, show)
            put_batch(queue, position, batch)
            course.lines += len(batch.messages)
            show.show(batch.end, f"{course.lines:,} lines")
    _require_lines(source, course)


def validate_file(
    source: Source, course: Course, *, checker: Checker, topic_prefix: str, show: Show
) -> None:
    """Validate every line and send none. Raises `SourceError` or `psycopg.Error`."""
    show.begin("validating", total=0)
    with source.read(prefix=topic_prefix) as (lines, convert):
        for batch in group_lines(lines, convert):
            course.empty_lines += batch.empty_lines
            course.lines += len(batch.messages)
            if batch.messages:
                checker.check(batch)
            show.show(0, f"{course.lines:,} lines")
    _require_lines(source, course)


def wait_until_stored(queue: BatchQueue, course: Course, *, show: Show) -> None:
    """Until no batch of the import is pending, however long it takes."""
    since = time.time()
    left = total = len(queue.list_pending(prefix=course.prefix))
    show.begin("storing", total=total)
    while left:
        time.sleep(WAIT_EVERY_S)
        left = len(queue.list_pending(prefix=course.prefix))
        total = max(total, left)  # a batch may be split
        show.show(total - left, f"{left:,} batches left")
        show.say(find_stall(queue.redis, since=since, now=time.time()))


def _wait_for_room(queue: BatchQueue, position: Position, show: Show) -> None:
    since, tries = time.time(), 0
    while hindrance := find_hindrance(queue.redis):
        show.show(position.end, f"waiting: {hindrance}")
        if tries % 20 == 0:  # the pools are asked once a second
            show.say(find_stall(queue.redis, since=since, now=time.time()))
        tries += 1
        time.sleep(LOOK_EVERY_S)


def _require_lines(source: Source, course: Course) -> None:
    if not course.lines:
        raise SourceError(f"FILE={str(source.path)!r}: holds no readings, only empty lines")
