"""Devices that are another account's by now, and left months in this one."""

from collections.abc import Sequence
from typing import LiteralString

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import fetch_rows


class Sql(Queries):
    former_of_account: LiteralString
    former_among: LiteralString


def list_former_ids(account_id: int, *, among: Sequence[int] | None = None) -> list[int]:
    """Their ids, in order. None: of all gateways that are known to have moved away. One query."""
    if among is None:
        rows = fetch_rows(Sql.former_of_account, {"account": account_id})
    else:
        parameters = {"account": account_id, "devices": list(among)}
        rows = fetch_rows(Sql.former_among, parameters)
    return [device_id for (device_id,) in rows]
