"""What a worker knows of the fleet: gateways by MAC, with their devices by code."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import force_setattr

from telemetry.core.reading import MAX_TEN_THOUSANDTHS
from telemetry.core.texts import MAX_CODE_LENGTH, find_control_character, is_unit


class Shift(Struct, frozen=True, gc=False):
    """A time (microseconds), after `since` and up to `until`, in which stamps name the beginning of
    an interval of so many microseconds."""

    since_us: int
    until_us: int
    interval_us: int


def place_stamp(stamp_us: int, shifts: Iterable[Shift]) -> int:
    """Where a reading with a stamp is stored: a meter that ends cuts its last interval off."""
    for shift in shifts:
        if shift.since_us < stamp_us <= shift.until_us:
            return min(stamp_us + shift.interval_us, shift.until_us)
    return stamp_us


class DeviceEntry(Struct, frozen=True, gc=False):
    """One device as validation needs it. An empty `unit` accepts any unit. Values are below
    `limit`, in ten-thousandths: the modulus of its register, or the contract's limit. `shifts`: of
    stamps that name the beginning of an interval."""

    id: int
    is_active: bool
    is_meter: bool
    unit: str
    limit: int = MAX_TEN_THOUSANDTHS
    shifts: tuple[Shift, ...] = ()

    def place(self, stamp_us: int) -> int:
        """The instant at which a reading is stored: its stamp, or the end of its interval."""
        return place_stamp(stamp_us, self.shifts) if self.shifts else stamp_us


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
    """Active, every code and unit registered is one that readings may name, and no stamp is moved.
    Found out here."""

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
            and not any(device.shifts for device in self.devices.values())
            and all(
                1 <= len(code) <= MAX_CODE_LENGTH
                and find_control_character(code) is None
                and (not device.unit or is_unit(device.unit))
                for code, device in self.devices.items()
            ),
        )
