"""The readings of a device with what edits made of them, voided ones among them."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import LiteralString

from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import fetch_rows


class Sql(Queries):
    readings_with_edits: LiteralString


LONGEST = timedelta(days=366)


class EditableReading(Struct, frozen=True):
    """A reading. `value` counts, None where it was voided; `raw_value` was received. `edit_id`: the
    last edit of it."""

    time: datetime
    value: Decimal | None
    raw_value: Decimal
    unit: str
    received_at: datetime
    edit_id: int | None


def list_readings(
    account_id: int, *, device_id: int, until: datetime, most: int
) -> list[EditableReading]:
    """The newest ones up to `until`, included, and no older than 366 days before it."""
    parameters = {
        "account": account_id,
        "device": device_id,
        "since": until - LONGEST,
        "until": until,
        "most": most,
    }
    return [EditableReading(*row) for row in fetch_rows(Sql.readings_with_edits, parameters)]
