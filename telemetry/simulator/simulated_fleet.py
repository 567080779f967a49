"""The simulated fleet as messages need it: frozen values, no database."""

from dataclasses import dataclass

SIMULATED_MAC_PREFIX = "02:5d:"  # 02: locally administered
STRAY_MAC_PREFIX = "02:5e:"  # never registered: publishes as an unknown gateway


class SimulatorError(Exception):
    """A wrong option, a broker that refuses the gateways, a fleet that is not registered."""


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """A device that a message may hold a reading of. `id` is its key in the database.

    `replaced_at_us`: when the meter of a register was replaced; 0 is never.
    """

    id: int
    code: str
    measurement: str
    unit: str
    is_meter: bool
    replaced_at_us: int = 0


@dataclass(frozen=True, slots=True)
class SimulatedGateway:
    """A gateway that publishes, with its active devices."""

    mac: str
    devices: tuple[SimulatedDevice, ...]


@dataclass(frozen=True, slots=True)
class SimulatedFleet:
    """Who publishes. The messages of inactive ones are rejected; an empty text means none."""

    gateways: tuple[SimulatedGateway, ...]
    inactive_mac: str = ""
    inactive_device_mac: str = ""
    inactive_device_code: str = ""

    def list_device_ids(self) -> set[int]:
        """The keys of all devices that may be stored for."""
        return {device.id for gateway in self.gateways for device in gateway.devices}


def simulated_mac(number: int) -> str:
    """The MAC of gateway `number` (0 to 2^24 - 1) of the simulator's own account."""
    high, middle, low = number.to_bytes(3, "big")
    return f"{SIMULATED_MAC_PREFIX}00:{high:02x}:{middle:02x}:{low:02x}"


def stray_mac(run: int, number: int) -> str:
    """One of 256 MACs of a run (24 bits) that no registered gateway has."""
    high, middle, low = (run & 0xFFFFFF).to_bytes(3, "big")
    return f"{STRAY_MAC_PREFIX}{high:02x}:{middle:02x}:{low:02x}:{number & 255:02x}"
