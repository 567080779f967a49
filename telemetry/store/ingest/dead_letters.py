"""Keep what was rejected: one row for each different bad message, with a count.

`BatchStore` (`batch_store.py`) is the only caller: `_commit` with what a batch's messages were
rejected for, `store_rejected` with a message that fails every time. `telemetry/dead_letters`
replays and discards.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import LiteralString

from msgspec import Struct

from telemetry.core.reasons import Reason
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    upsert_dead_letters: LiteralString


class NewDeadLetter(Struct):
    """A rejected message or reading. `payload` can be sent again as it is."""

    topic: str
    payload: bytes
    reason: Reason
    detail: str
    seen_at: datetime
    mac: str = ""
    device_code: str = ""
    gateway_id: int | None = None
    account_id: int | None = None
    occurrences: int = 1

    def fingerprint(self) -> bytes:
        """Equal for the same payload on the same topic, rejected for the same reason.

        Messages that are too many for their gateway are counted by minute: the first one is kept.
        """
        if self.reason is Reason.RATE_LIMITED:
            minute = int(self.seen_at.timestamp()) // 60
            return hashlib.sha256(f"{self.reason}\0{self.mac}\0{minute}".encode()).digest()
        digest = hashlib.sha256(f"{self.reason}\0{self.topic}\0".encode())
        digest.update(self.payload)
        return digest.digest()


def store_dead_letters(connection: Connection, dead_letters: Iterable[NewDeadLetter]) -> None:
    """Insert or count dead letters inside the caller's transaction. Raises `psycopg.Error`."""
    unique: dict[bytes, NewDeadLetter] = {}
    for dead_letter in dead_letters:
        known = unique.setdefault(dead_letter.fingerprint(), dead_letter)
        if known is not dead_letter:
            known.occurrences += dead_letter.occurrences
    if not unique:
        return
    rows = list(unique.values())
    connection.execute(
        Sql.upsert_dead_letters,
        {
            "fingerprints": list(unique),
            "topics": [_without_nul(row.topic) for row in rows],
            "payloads": [row.payload for row in rows],
            "reasons": [str(row.reason) for row in rows],
            "details": [_without_nul(row.detail) for row in rows],
            "macs": [row.mac for row in rows],
            "device_codes": [_without_nul(row.device_code) for row in rows],
            "gateway_ids": [row.gateway_id for row in rows],
            "account_ids": [row.account_id for row in rows],
            "seen_ats": [row.seen_at for row in rows],
            "occurrences": [row.occurrences for row in rows],
        },
    )


def _without_nul(text: str) -> str:
    """PostgreSQL's text has no NUL; the payload's bytes keep it."""
    return text.replace("\0", "\ufffd")
