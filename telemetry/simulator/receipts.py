"""What the broker answered to each message of a run."""

import hashlib
from collections import Counter
from typing import IO

from paho.mqtt.reasoncodes import ReasonCode

from telemetry.simulator.outcomes import Outcome, SimulatedMessage

NO_MATCHING_SUBSCRIBERS = 0x10


class RunReceipts:
    """Counts answers. `acked_log` gets one line for each acknowledged message: topic, SHA-256."""

    def __init__(self, *, acked_log: IO[str] | None = None) -> None:
        self._acked_log = acked_log
        self.acknowledged = 0
        self.unheard = 0  # acknowledged, although nobody has subscribed
        self.resent = 0
        self.not_accepted: Counter[str] = Counter()
        self.outcomes: Counter[Outcome] = Counter()

    @property
    def answered(self) -> int:
        """Messages that got an answer of any kind."""
        return self.acknowledged + self.not_accepted.total()

    def add_answer(self, message: SimulatedMessage, reason: ReasonCode) -> None:
        """Enter the broker's answer. Only a reason code of success is an acknowledgement."""
        code = reason.value
        if code >= 0x80:
            self.not_accepted[str(reason)] += 1
            return
        self.acknowledged += 1
        self.outcomes[message.outcome] += 1
        if code == NO_MATCHING_SUBSCRIBERS:
            self.unheard += 1
        if self._acked_log is not None:
            digest = hashlib.sha256(message.payload).hexdigest()
            self._acked_log.write(f"{message.topic} {digest}\n")

    def add_resent(self) -> None:
        """Count a message that is sent again after a lost connection."""
        self.resent += 1
