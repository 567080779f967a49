"""The reject guard: stop rejecting when nearly everything is rejected, as after a bad deploy.

Judged by gateways, not by messages, so that one gateway gone wild cannot trip it. When nearly all
gateways that were heard of within the window got nothing stored, what they send is held instead of
becoming dead letters; what other gateways send is stored all the while. The guard lets go when
enough of those gateways are served again, or others in their place show that not nearly everything
is rejected; that nothing more is heard of them is no reason. Pure: `now_s` is an argument.
"""

from collections.abc import Container, Iterable, Sequence

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
        self.is_borrowed = bool(reason)

    @property
    def is_tripped(self) -> bool:
        """Whether what would be rejected is held."""
        return bool(self.reason)

    def holds(self, heard: Heard, *, now_s: float) -> bool:
        """Whether what the refused gateways of a batch sent must be held. May set `reason`."""
        self._refused_at.update(dict.fromkeys(heard.refused, now_s))
        if not self.is_tripped and heard.refused_percent > self._policy.share:
            self._trip_when_refused(now_s)
        return self.is_tripped and bool(heard.refused)

    def note_served(self, macs: Iterable[str], *, now_s: float) -> None:
        """Note gateways of which readings were stored. May clear `reason`."""
        self._served_at.update(dict.fromkeys(macs, now_s))
        if self.is_tripped:
            self._let_go_when_served()

    def _trip_when_refused(self, now_s: float) -> None:
        since_s = now_s - self._policy.window_s
        self._served_at = {mac: at for mac, at in self._served_at.items() if at >= since_s}
        self._refused_at = {mac: at for mac, at in self._refused_at.items() if at >= since_s}
        refused, count = self._count()
        if count >= self._policy.gateways and self._is_too_much(refused, count):
            self.reason = (
                f"{refused} of {count} gateways got nothing in within "
                f"{self._policy.window_s:g} s; the limit is {self._policy.share}%"
            )

    def _let_go_when_served(self) -> None:
        """While the guard is tripped nothing is forgotten: a gateway stays refused until it is
        served. A process that began with the reason of another waits until it has heard enough."""
        refused, count = self._count()
        if count >= self._policy.gateways and not self._is_too_much(refused, count):
            self.let_go()

    def let_go(self) -> None:
        """Hold nothing any more."""
        self.reason, self.is_borrowed = "", False

    def _count(self) -> tuple[int, int]:
        """Gateways that got nothing in, and all that were heard of."""
        refused = len(self._refused_at.keys() - self._served_at.keys())
        return refused, refused + len(self._served_at)

    def _is_too_much(self, refused: int, count: int) -> bool:
        return 100 * refused > self._policy.share * count
