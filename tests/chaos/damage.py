"""What is checked after a disk lost or changed data: all that is gone is accounted for.

A truncated file of Redis takes a batch that the broker was told is safe. When it was stored all
the same, it is the difference of the delivery report; readings are missing of no other. Changed
bits in the broker's file reach messages that nobody had taken yet: readings of later ones are all
there, and the report, which begins at the bridge, balances.
"""

import json
import time
from datetime import UTC, datetime
from typing import Any

import psycopg

from telemetry.core.batch import PENDING_KEY, decode_messages
from tests.chaos.check import find_wrong
from tests.chaos.lost import Damage
from tests.chaos.stack import ChaosStack

STORED_WITHIN_S = 60.0


def check_damage(stack: ChaosStack, damage: Damage, plan: Any) -> tuple[list[str], list[str]]:
    """What contradicts the above, and what was seen."""
    wait_until_nothing_waits(stack)
    seen = []
    wrong, twice = find_wrong(stack.environ["DATABASE_URL"], plan)
    problems = [f"{twice} rows stand twice"] if twice else []
    lost_keys = list_lost_keys(damage, plan)
    changed = [row for row in wrong if row[3] is not None]
    missing = [row for row in wrong if row[3] is None]
    if damage.lost_batches:
        count = sum(batch.messages for batch in damage.lost_batches)
        seen.append(f"{len(damage.lost_batches)} batches with {count} messages were cut off")
        beyond = [row for row in missing if row[:2] not in lost_keys] + changed
    elif damage.broker_ended_at:
        ended_at = datetime.fromtimestamp(damage.broker_ended_at, UTC)
        beyond = [row for row in wrong if row[1] > ended_at]
    else:
        beyond = wrong
    seen.append(f"{len(missing)} readings are missing, {len(changed)} have another value")
    if damage.seen:
        seen.append(damage.seen)
    if beyond:
        problems.append(f"{len(beyond)} readings are wrong that no damage explains: {beyond[:3]}")
    return problems, seen


def list_differences(stack: ChaosStack, damage: Damage) -> set[int]:
    """What the report may differ by: batches that the ledger holds and Redis has lost, of this
    schedule and earlier ones. Each may have been written again by its bridge, and counts then."""
    ids = [batch.id for batch in damage.lost_batches]
    with psycopg.connect(stack.environ["DATABASE_URL"]) as connection:
        rows: Any = connection.execute("SELECT id FROM batch WHERE id = ANY (%s)", [ids]).fetchall()
    stored = {batch_id for (batch_id,) in rows}
    lost = [batch.messages for batch in damage.lost_batches if batch.id in stored]
    return {earlier - sum(lost[:count]) for earlier in damage.owed for count in (0, len(lost))}


def list_lost_keys(damage: Damage, plan: Any) -> set[tuple[int, datetime]]:
    """Device and time of every reading in the batches that were cut off."""
    from backports import zstd

    devices = {
        (gateway.mac, device.code): device.id
        for gateway in plan.fleet.gateways
        for device in gateway.devices
    }
    keys = set()
    for batch in damage.lost_batches:
        for message in decode_messages(zstd.decompress(batch.body)):
            try:
                fields = json.loads(message.payload)
                at = datetime.fromisoformat(fields["timestamp"])
                keys |= {
                    (devices[fields["gateway_mac"], reading["dispositivo_codigo"]], at)
                    for reading in fields["leituras"]
                }
            except (ValueError, KeyError, TypeError):  # a bad message: it holds no reading
                continue
    return keys


def wait_until_nothing_waits(stack: ChaosStack) -> None:
    """Until Redis holds no batch for a moment, or no longer than is reasonable."""
    from redis import Redis

    give_up_at = time.monotonic() + STORED_WITHIN_S
    quiet_since = None
    with Redis.from_url(stack.environ["REDIS_URL"]) as redis:
        while (now_s := time.monotonic()) < give_up_at:
            if redis.zcard(PENDING_KEY):
                quiet_since = None
            elif quiet_since is None:
                quiet_since = now_s
            elif now_s - quiet_since > 3:
                return
            time.sleep(0.1)
