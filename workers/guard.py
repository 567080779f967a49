"""The reject guard: stop rejecting when nearly everything is rejected, as after a bad deploy.

Judged by gateways, not by messages, so that one gateway gone wild cannot trip it. When nearly all
gateways that were heard of within the window got nothing stored, what they send is held instead of
becoming dead letters; what other gateways send is stored all the while. The guard lets go when
enough of those gateways are served again, or others in their place show that not nearly everything
is rejected; that nothing more is heard of them is no reason. Pure: `now_s` is an argument.
"""

from collections.abc import Container, Iterable, Mapping, Sequence

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
    """What one worker process has seen, and what others told it (`learn`)."""

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

    @property
    def is_suspicious(self) -> bool:
        """Whether what it has seen would trip it, if it had seen enough gateways."""
        return self.is_tripped or self._is_too_much(*self._count())

    def holds(self, heard: Heard, *, now_s: float) -> bool:
        """Whether what the rejected gateways of a batch sent must be held. May set `reason`."""
        self._rejected_at.update(dict.fromkeys(heard.rejected, now_s))
        if not self.is_tripped and heard.rejected_percent > self._policy.share:
            self._trip_when_rejected(now_s)
        return self.is_tripped and bool(heard.rejected)

    def note_served(self, macs: Iterable[str], *, now_s: float) -> None:
        """Note gateways of which readings were stored. May clear `reason`."""
        self._served_at.update(dict.fromkeys(macs, now_s))
        self._let_go_when_served()

    def learn(self, *, rejected: Mapping[str, float], served: Mapping[str, float]) -> None:
        """Note what other processes heard, as MACs and when that was. May clear `reason`."""
        _update(self._rejected_at, rejected)
        _update(self._served_at, served)
        self._let_go_when_served()

    def list_since(self, since_s: float) -> tuple[dict[str, float], dict[str, float]]:
        """The gateways that were rejected and those that were served since, each with its time."""
        return _since(self._rejected_at, since_s), _since(self._served_at, since_s)

    def _trip_when_rejected(self, now_s: float) -> None:
        since_s = now_s - self._policy.window_s
        self._rejected_at, self._served_at = self.list_since(since_s)
        rejected, count = self._count()
        if count >= self._policy.gateways and self._is_too_much(rejected, count):
            self.reason = (
                f"{rejected} of {count} gateways got nothing in within "
                f"{self._policy.window_s:g} s; the limit is {self._policy.share}%"
            )

    def _let_go_when_served(self) -> None:
        """While the guard is tripped nothing is forgotten: a gateway stays rejected until it is
        served. A process that began with the reason of another waits until it has heard enough."""
        if not self.is_tripped:
            return
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


def _since(times: Mapping[str, float], since_s: float) -> dict[str, float]:
    return {mac: at for mac, at in times.items() if at >= since_s}


def _update(times: dict[str, float], others: Mapping[str, float]) -> None:
    for mac, at in others.items():
        times[mac] = max(at, times.get(mac, at))
