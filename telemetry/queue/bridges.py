"""What the running bridges say of themselves."""

import msgspec
from msgspec import Struct
from redis import Redis

from telemetry.core.batch import BRIDGE_KEY


class BridgeState(Struct):
    """The lease of a bridge: who holds it, and how it is. Times are Unix seconds."""

    host: str
    pid: int
    at: float
    state: str
    progress_at: float = 0.0
    waiting_messages: int = 0
    sent_messages: int = 0
    sent_batches: int = 0
    client_id: str = ""


_state = msgspec.json.Decoder(BridgeState)


def read_bridges(redis: Redis) -> list[BridgeState]:
    """Every bridge whose lease runs, by client id."""
    bridges = []
    for key in sorted(redis.scan_iter(match=f"{BRIDGE_KEY}*", count=1000)):
        held = redis.get(key)
        if held is not None:
            state = _state.decode(held)
            state.client_id = key.decode().removeprefix(BRIDGE_KEY)
            bridges.append(state)
    return bridges
