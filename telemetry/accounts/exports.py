"""Exports under way: few at a time for each user and account, over all processes.

A slot is a lock in Redis with an end, renewed while pieces are sent: that of a process that was
killed comes back by itself. While Redis is away, nothing but the limit of each process holds.
"""

import time
from collections.abc import Iterator

import structlog
from django.conf import settings
from msgspec import Struct
from redis import RedisError
from redis.exceptions import LockError
from redis.lock import Lock

from telemetry.accounts.counter import find_redis

SLOTS = {"user": 1, "account": 2}
LEASE_S = 120
RENEW_S = 10
GRACE_S = 30.0
"""How long a client may be slow before its rate counts."""

log = structlog.get_logger("telemetry.exports")


class SlotsTakenError(Exception):
    """As many exports as are allowed are under way. `subject`: of the user, or of the account."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"at most {SLOTS[subject]} exports of one {subject} at a time")
        self.subject = subject


class SlowReaderError(Exception):
    """The client takes the export too slowly, or it took too long."""


class Slot(Struct):
    """The right to send one export."""

    locks: list[Lock]
    renewed_at: float = 0.0

    def renew(self) -> None:
        """Keep it, now and then."""
        now = time.monotonic()
        if now - self.renewed_at < RENEW_S:
            return
        self.renewed_at = now
        for lock in self.locks:
            try:
                lock.reacquire()
            except (RedisError, LockError) as error:
                log.warning("export_slot_lost", error=str(error))

    def release(self) -> None:
        """Give it back. Repeating is harmless."""
        while self.locks:
            try:
                self.locks.pop().release()
            except (RedisError, LockError) as error:
                log.warning("export_slot_lost", error=str(error))


def take_slot(*, user_id: int, account_id: int) -> Slot:
    """A slot of the user and of the account. Raises `SlotsTakenError`."""
    redis, slot = find_redis(settings.OPTIONS.redis), Slot([], time.monotonic())
    try:
        for subject, key in (("user", user_id), ("account", account_id)):
            for number in range(SLOTS[subject]):
                name = f"export:{subject}:{key}:{number}"
                lock = Lock(redis, name, timeout=LEASE_S, blocking=False, thread_local=False)
                if lock.acquire():
                    slot.locks.append(lock)
                    break
            else:
                slot.release()
                raise SlotsTakenError(subject)
    except (RedisError, OSError) as error:
        log.warning("export_slots_not_counted", error=str(error))
    return slot


class PacedStream(Iterator[bytes]):
    """The pieces of an export under a slot. Breaks off when the client is too slow."""

    def __init__(self, pieces: Iterator[bytes], *, slot: Slot) -> None:
        self._pieces, self._slot = pieces, slot
        self._options = settings.OPTIONS.api
        self._began_at = time.monotonic()
        self._handed_at: float | None = None
        self._taken_s = 0.0
        self._bytes = 0

    def __next__(self) -> bytes:
        now = time.monotonic()
        if self._handed_at is not None:
            self._taken_s += now - self._handed_at
        self._check(now)
        self._slot.renew()
        try:
            piece = next(self._pieces)
        except StopIteration:  # before the client learns of the end, and asks for the next one
            self._slot.release()
            raise
        self._bytes += len(piece)
        self._handed_at = time.monotonic()
        return piece

    def _check(self, now: float) -> None:
        """Raise `SlowReaderError`: the connection ends without the last chunk."""
        longest_s, least = self._options.export_longest_s, self._options.export_bytes_per_s
        if now - self._began_at > longest_s:
            raise SlowReaderError(f"the export took longer than {longest_s} s")
        if self._taken_s > GRACE_S and self._bytes < least * self._taken_s:
            raise SlowReaderError(f"the client took less than {least} bytes a second")

    def close(self) -> None:
        """Give the slot back. Django calls it when the response ended, in whatever way."""
        self._slot.release()
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
