"""The reject guard: stop when nearly everything is refused, as after a bad deploy.

Judged by gateways, not by messages, so that one gateway gone wild cannot stop the pool. When nearly
all gateways that were heard of within the window got nothing stored, batches that would be refused
are held instead of becoming dead letters. A batch in which most gateways are served is stored
always; when it is such batches that come again, the guard lets go. Pure: `now` is an argument.
"""

from collections.abc import Container, Sequence

from msgspec import Struct

from telemetry.core.judge import Verdict


class GuardPolicy(Struct, frozen=True):
    """When to hold: more than `share` (percent) of at least `gateways` within `window_s`."""

    share: int
    gateways: int
    window_s: float


class Heard(Struct, frozen=True):
    """MACs of a batch: those that got a reading in, and those that got nothing in."""

    served: frozenset[str]
    refused: frozenset[str]

    @property
    def refused_percent(self) -> float:
        """Share of the gateways that got nothing in."""
        count = len(self.served) + len(self.refused)
        return 100 * len(self.refused) / count if count else 0.0


class BatchHeldError(Exception):
    """The guard holds the batch: it waits as for a fault that passes. The text says why."""


def hear(verdicts: Sequence[Verdict], *, known: Container[str]) -> Heard:
    """Which of the registered gateways got something in.

    Others do not count: anybody can make up MACs, and what is refused as an unknown gateway is
    sent again by itself once the gateway is known.
    """
    served = {verdict.mac for verdict in verdicts if verdict.good}
    refused = {verdict.mac for verdict in verdicts if not verdict.good and verdict.mac in known}
    return Heard(frozenset(served), frozenset(refused - served))


class RejectGuard:
    """What one worker process has seen. Every process sees a fair sample of the batches."""

    def __init__(self, policy: GuardPolicy, *, reason: str = "") -> None:
        """`reason`: why another process holds batches already."""
        self._policy = policy
        self._served_at: dict[str, float] = {}
        self._refused_at: dict[str, float] = {}
        self.reason = reason

    @property
    def is_tripped(self) -> bool:
        """Whether batches that would be refused are held."""
        return bool(self.reason)

    def holds(self, heard: Heard, *, now_s: float) -> bool:
        """Note a batch; whether it must be held. Updates `reason`."""
        self._served_at.update(dict.fromkeys(heard.served, now_s))
        self._refused_at.update(dict.fromkeys(heard.refused, now_s))
        is_bad = heard.refused_percent > self._policy.share
        if is_bad or self.is_tripped:
            self._judge(now_s, is_bad=is_bad)
        return self.is_tripped and is_bad

    def _judge(self, now_s: float, *, is_bad: bool) -> None:
        since_s = now_s - self._policy.window_s
        self._served_at = {mac: at for mac, at in self._served_at.items() if at >= since_s}
        self._refused_at = {mac: at for mac, at in self._refused_at.items() if at >= since_s}
        refused = len(self._refused_at.keys() - self._served_at.keys())
        count = refused + len(self._served_at)
        share = 100 * refused / count if count else 0.0
        if count >= self._policy.gateways and share > self._policy.share:
            self.reason = (
                f"{refused} of {count} gateways got nothing in within "
                f"{self._policy.window_s:g} s; the limit is {self._policy.share}%"
            )
        elif not is_bad:
            self.reason = ""
