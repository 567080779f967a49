"""What gateways send in a run, and how many processes there are: drawn from the seed."""

from dataclasses import dataclass
from random import Random

from config.env import read_options
from config.options import BridgeOptions, IngestOptions
from telemetry.core.batch import RawMessage
from telemetry.core.fleet_cache import GatewayEntry
from telemetry.core.reasons import Reason
from telemetry.core.validator import Rejection, ValidatedMessage
from tests.simulation.world import World

STALE_AFTER_S = 20.0
ENVIRON = {
    "REDIS_URL": "redis://none",
    "REDIS_SOCKET_TIMEOUT_S": "60",
    "DATABASE_URL": "postgres://none/none",
    "MQTT_HOST": "none",
    "MQTT_BRIDGE_USER": "none",
    "MQTT_BRIDGE_PASSWORD": "none",
    "BRIDGE_SHARE_GROUP": "none",
    "BRIDGE_BATCH_MESSAGES": "4",
    "GUARD_GATEWAYS": "3",
}
BRIDGE = {
    name: read_options(BridgeOptions, {**ENVIRON, "BRIDGE_CLIENT_ID": name})
    for name in ("bridge-0", "bridge-1")
}
# A message costs one token: three within the limit, and so many times three of excess.
NO_LIMIT, LIMIT, HARD_LIMIT = "0", "1000", "1"
INGEST = {
    (attempts, limit): read_options(
        IngestOptions,
        {
            **ENVIRON,
            "BATCH_ATTEMPTS": str(attempts),
            "LIMIT_GATEWAY_RATE": "0" if limit == NO_LIMIT else "1",
            "LIMIT_ACCOUNT_RATE": "0" if limit == NO_LIMIT else "2",
            "LIMIT_BURST_S": "3",
            "LIMIT_EXCESS_TIMES": limit,
        },
    )
    for attempts in (1, 2, 3)
    for limit in (NO_LIMIT, LIMIT, HARD_LIMIT)
}
MACS = tuple(f"aa:bb:cc:dd:ee:0{number}" for number in range(5))

# The first letter of a payload says what becomes of the message.
GOOD, POISON, KILLER, REFUSED = b"g", b"p", b"k", b"r"
MIXTURES = (
    (GOOD,),
    (GOOD,),
    (GOOD,) * 4 + (POISON,),
    (GOOD,) * 7 + (KILLER,),
    (REFUSED,) * 9 + (GOOD,),
)


@dataclass(frozen=True)
class Case:
    """Bursts of messages with the pause before each, and the processes around."""

    bursts: list[tuple[float, list[RawMessage]]]
    bridges: int
    workers: int
    attempts: int
    limit: str
    gateways: frozenset[str] = frozenset(MACS)


def draw_case(seed: int) -> Case:
    """The case of a seed."""
    random = Random(seed ^ 0xCA5E)
    kinds = random.choice(MIXTURES)
    bursts, number = [], 0
    for _ in range(random.choice((1, 1, 2, 3))):
        messages = []
        for _ in range(random.choice((1, 1, 2, 3, 4, 6))):
            number += 1
            topic = f"tds_new/devices/{random.choice(MACS)}/telemetry"
            messages.append(RawMessage(topic, random.choice(kinds) + b"%d" % number))
        bursts.append((random.choice((0.0, 0.002, 1.0, 15.0)), messages))
    return Case(
        bursts,
        random.choice((1, 1, 1, 2)),
        random.choice((1, 2, 2, 3)),
        random.choice((1, 1, 2, 3)),
        # In every fifth case: each question is one more place for an event.
        NO_LIMIT if seed % 5 != 1 else (LIMIT, HARD_LIMIT)[seed // 5 % 2],
    )


GATEWAYS = {mac: GatewayEntry(n, n % 2, mac, True, {}) for n, mac in enumerate(MACS)}


def validate(world: World, message: RawMessage) -> ValidatedMessage:
    """What the contract says of such a message; some end the process that validates them."""
    kind, mac = message.payload[:1], message.topic.split("/")[2]
    if kind == POISON:
        raise ValueError(f"poison: {message.payload!r}")
    if kind == KILLER and world.current is not None:
        world.note(f"is killed by {message.payload!r}")
        raise world.kill(world.current)
    if kind == REFUSED:
        return ValidatedMessage(
            mac, GATEWAYS[mac], 0, [], [], [Rejection(Reason.BAD_JSON, "rejected")]
        )
    row = (int(message.payload[1:]), 0, 1, "", None, 1, 1)
    return ValidatedMessage(mac, GATEWAYS[mac], 1, [row], [0], [])
