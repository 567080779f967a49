"""What a worker knows of the fleet: gateways by MAC, with their devices by code."""

from msgspec import Struct
from msgspec.structs import force_setattr

from telemetry.core.reading import MAX_TEN_THOUSANDTHS
from telemetry.core.texts import MAX_CODE_LENGTH, find_control_character, is_unit


class DeviceEntry(Struct, frozen=True, gc=False):
    """One device as validation needs it. An empty `unit` accepts any unit. Values are below
    `limit`, in ten-thousandths: the modulus of its register, or the contract's limit."""

    id: int
    is_active: bool
    is_meter: bool
    unit: str
    limit: int = MAX_TEN_THOUSANDTHS


class GatewayEntry(Struct, frozen=True):
    """One gateway. `is_active` is false as well when its account is deactivated. `earlier`: until
    which instant (microseconds) it was another account's, in order; that instant included."""

    id: int
    account_id: int
    mac: str
    is_active: bool
    devices: dict[str, DeviceEntry]
    earlier: tuple[tuple[int, int], ...] = ()
    allows_fast_path: bool = False
    """Active, and every code and unit registered is one that readings may name. Found out here."""

    def find_account(self, time_us: int) -> int:
        """Whose a reading of an instant is."""
        for until_us, account_id in self.earlier:
            if time_us <= until_us:
                return account_id
        return self.account_id

    def __post_init__(self) -> None:
        force_setattr(
            self,
            "allows_fast_path",
            self.is_active
            and all(
                1 <= len(code) <= MAX_CODE_LENGTH
                and find_control_character(code) is None
                and (not device.unit or is_unit(device.unit))
                for code, device in self.devices.items()
            ),
        )
