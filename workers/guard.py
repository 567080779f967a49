"""The reject guard: stop rejecting when nearly everything is rejected, as after a bad deploy.

Judged by gateways, not by messages, so that one gateway gone wild cannot trip it. When nearly all
gateways that were heard of within the window got nothing stored, what they send is held instead of
becoming dead letters; what other gateways send is stored all the while. The guard lets go when
enough of those gateways are served again, or others in their place show that not nearly everything
is rejected; that nothing more is heard of them is no reason. Pure: `now_s` is an argument.
"""

from collections.abc import Container, Iterable, Sequence

from msgspec import Struct

from telemetry.core.validator import ValidatedMessage


class GuardPolicy(Struct, frozen=True):
    """When to hold: more than `share` (percent) of at least `gateways` within `window_s`."""

    share: int
    gateways: int
    window_s: float


class Heard(Struct, frozen=True):
    """MACs of a batch: those that got a reading in, and those that got nothing in."""

    served: frozenset[str]
    rejected: frozenset[str]

    @property
    def rejected_percent(self) -> float:
        """Share of the gateways that got nothing in."""
        count = len(self.served) + len(self.rejected)
        return 100 * len(self.rejected) / count if count else 0.0


def hear(validated_messages: Sequence[ValidatedMessage], *, known: Container[str]) -> Heard:
    """Which of the registered gateways got something in.

    Others do not count: anybody can make up MACs, and what is rejected as an unknown gateway is
    sent again by itself once the gateway is known.
    """
    served = {
        validated_message.mac for validated_message in validated_messages if validated_message.good
    }
    rejected = {
        validated_message.mac
        for validated_message in validated_messages
        if not validated_message.good and validated_message.mac in known
    }
    return Heard(frozenset(served), frozenset(rejected - served))


class RejectGuard:
    """What one worker process has seen, of the batches that it claimed itself.

    Known fault: processes that wait for batches claim in turn, so gateways that send in turn as
    well are split among them. Of a fleet hardly larger than `GUARD_GATEWAYS`, each process then
    hears too few, and the guard does not trip. Their windows must be shared by the pool.
    """

    def __init__(self, policy: GuardPolicy, *, reason: str = "") -> None:
        """`reason`: why another process holds batches already."""
        self._policy = policy
        self._served_at: dict[str, float] = {}
        self._rejected_at: dict[str, float] = {}
        self.reason = reason
        self.is_borrowed = bool(reason)

    @property
    def is_tripped(self) -> bool:
        """Whether what would be rejected is held."""
        return bool(self.reason)

    def holds(self, heard: Heard, *, now_s: float) -> bool:
        """Whether what the rejected gateways of a batch sent must be held. May set `reason`."""
        self._rejected_at.update(dict.fromkeys(heard.rejected, now_s))
        if not self.is_tripped and heard.rejected_percent > self._policy.share:
            self._trip_when_rejected(now_s)
        return self.is_tripped and bool(heard.rejected)

    def note_served(self, macs: Iterable[str], *, now_s: float) -> None:
        """Note gateways of which readings were stored. May clear `reason`."""
        self._served_at.update(dict.fromkeys(macs, now_s))
        if self.is_tripped:
            self._let_go_when_served()

    def _trip_when_rejected(self, now_s: float) -> None:
        since_s = now_s - self._policy.window_s
        self._served_at = {mac: at for mac, at in self._served_at.items() if at >= since_s}
        self._rejected_at = {mac: at for mac, at in self._rejected_at.items() if at >= since_s}
        rejected, count = self._count()
        if count >= self._policy.gateways and self._is_too_much(rejected, count):
            self.reason = (
                f"{rejected} of {count} gateways got nothing in within "
                f"{self._policy.window_s:g} s; the limit is {self._policy.share}%"
            )

    def _let_go_when_served(self) -> None:
        """While the guard is tripped nothing is forgotten: a gateway stays rejected until it is
        served. A process that began with the reason of another waits until it has heard enough."""
        rejected, count = self._count()
        if count >= self._policy.gateways and not self._is_too_much(rejected, count):
            self.let_go()

    def let_go(self) -> None:
        """Hold nothing any more."""
        self.reason, self.is_borrowed = "", False

    def _count(self) -> tuple[int, int]:
        """Gateways that got nothing in, and all that were heard of."""
        rejected = len(self._rejected_at.keys() - self._served_at.keys())
        return rejected, rejected + len(self._served_at)

    def _is_too_much(self, rejected: int, count: int) -> bool:
        return 100 * rejected > self._policy.share * count
