"""The options of `manage.py simulate`, read and checked like settings."""

from dataclasses import dataclass

from config.env import SettingError, setting

DEFAULT_CONNECTIONS = 20
DEFAULT_READINGS = 3
DEFAULT_PATIENCE_S = 60.0


@dataclass(frozen=True)
class RunOptions:
    """One run of the simulated fleet."""

    fleet: str = setting(
        "--fleet",
        "who publishes: gateways of an account of their own, or the demo fleet's",
        default="simulated",
        choices=("simulated", "demo"),
    )
    gateways: int = setting(
        "--gateways", "gateways of the simulated fleet", default=100, minimum=1, maximum=1_000_000
    )
    rate: float = setting(
        "--rate",
        "messages a second of the whole fleet; 0 is as fast as the broker acknowledges",
        default=100.0,
        unit="messages a second",
        minimum=0,
        maximum=100_000,
    )
    interval_s: float = setting(
        "--interval",
        "instead of --rate: every gateway publishes once an interval, all at one instant",
        default=0.0,
        unit="seconds",
        minimum=0,
        maximum=86_400,
    )
    count: int = setting(
        "--count",
        "messages to publish; 0 is until stopped",
        default=0,
        unit="messages",
        minimum=0,
        maximum=1_000_000_000,
    )
    readings: int = setting(
        "--readings-per-message",
        f"readings in a message of the simulated fleet; 0 is {DEFAULT_READINGS}, and all devices "
        "in the demo fleet",
        default=0,
        minimum=0,
        maximum=500,
    )
    bad_share: float = setting(
        "--bad-share", "share of messages that are bad", default=0.0, minimum=0, maximum=1
    )
    duplicate_share: float = setting(
        "--duplicate-share",
        "share of messages that repeat the one before",
        default=0.0,
        minimum=0,
        maximum=0.5,
    )
    seed: int = setting(
        "--seed", "the same seed gives the same values", default=1, minimum=0, maximum=2**32
    )
    connections: int = setting(
        "--connections",
        f"MQTT connections; 0 is one for each gateway, at most {DEFAULT_CONNECTIONS}",
        default=0,
        minimum=0,
        maximum=10_000,
    )
    window: int = setting(
        "--window",
        "messages that may wait for their acknowledgement, over all connections",
        default=2_000,
        unit="messages",
        minimum=1,
        maximum=1_000_000,
    )
    history_s: float = setting(
        "--history",
        "spread the timestamps of --count messages over this span before now",
        default=0.0,
        unit="seconds",
        minimum=0,
        maximum=31_536_000,
    )
    patience_s: float = setting(
        "--patience",
        "give up when the broker answers nothing for so long; 0 is never, the default without "
        "--count",
        default=-1.0,
        unit="seconds",
        minimum=0,
        maximum=86_400,
    )
    timeout_s: float = setting(
        "--timeout",
        "how long --verify waits for the pipeline",
        default=120.0,
        unit="seconds",
        minimum=1,
        maximum=86_400,
    )

    def __post_init__(self) -> None:
        if self.bad_share + self.duplicate_share > 1:
            raise SettingError(
                f"--bad-share {self.bad_share:g} and --duplicate-share {self.duplicate_share:g}: "
                "expected at most 1 together"
            )
        if self.history_s and (not self.count or self.interval_s):
            raise SettingError(
                f"--history {self.history_s:g}: expected with --count above 0, without --interval"
            )

    @property
    def readings_per_message(self) -> int:
        """Devices of a simulated gateway."""
        return self.readings or DEFAULT_READINGS

    @property
    def patience(self) -> float:
        """Seconds without an answer after which to give up; 0 is never."""
        if self.patience_s >= 0:
            return self.patience_s
        return DEFAULT_PATIENCE_S if self.count else 0.0

    def count_connections(self, gateways_count: int) -> int:
        """Connections for so many gateways."""
        return min(gateways_count, self.connections or DEFAULT_CONNECTIONS)
