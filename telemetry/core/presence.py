"""Since when a gateway counts as silent, so that a delay of our own never looks like silence."""

from collections.abc import Sequence

from msgspec import Struct

BRIDGE_FRESH_S = 20.0
ONLINE, OFFLINE = b"online", b"offline"
STATUSES = {ONLINE: True, OFFLINE: False}
"""Payloads of a gateway's status."""


class BridgeSign(Struct, frozen=True):
    """What a bridge said last. `heard_at` is Unix seconds."""

    is_ready: bool
    heard_at: float


def choose_offline_instant(
    *, now: float, bridges: Sequence[BridgeSign], oldest_pending_at: float | None
) -> float | None:
    """The instant as of which silent gateways are offline; None: nothing can be said.

    Everything received before the oldest pending batch has been stored, so that is the
    instant. Without a bridge that is ready, messages wait at the broker and no gateway is silent.
    """
    ready = any(sign.is_ready and now - sign.heard_at <= BRIDGE_FRESH_S for sign in bridges)
    if not ready:
        return None
    return now if oldest_pending_at is None else min(now, oldest_pending_at)
