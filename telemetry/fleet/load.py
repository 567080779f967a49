"""Load a fleet from JSON: accounts, gateways and devices (form: the contract's `fleet.json`).

Typed by msgspec, so that a wrong field is named by its path. Loading is one transaction and can be
repeated: existing rows are updated, what the file does not name stays as it is.
"""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from msgspec import UNSET, Meta, Struct, UnsetType

from telemetry.core.measurement import Measurement
from telemetry.core.topic import MAC_PATTERN, read_mac
from telemetry.installations.changing import check_settings_kept
from telemetry.installations.texts import InstallationError
from telemetry.models import Account, Device, Gateway
from telemetry.models.accounts import LAST_BILLING_DAY, validate_time_zone

Row = TypeVar("Row", bound=models.Model)

Mac = Annotated[str, Meta(pattern=f"^{MAC_PATTERN}$")]
Text = Annotated[str, Meta(min_length=1, max_length=50)]


class AccountSpec(Struct, forbid_unknown_fields=True):
    """An account of the file."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    time_zone: str = "UTC"
    billing_day: Annotated[int, Meta(ge=1, le=LAST_BILLING_DAY)] | UnsetType = UNSET
    is_active: bool = True


class DeviceSpec(Struct, forbid_unknown_fields=True):
    """A device of the file."""

    code: Annotated[str, Meta(min_length=1, max_length=20)]
    kind: Literal["meter", "sensor", "actuator"]
    measurement: Measurement
    name: Annotated[str, Meta(max_length=100)] = ""
    group: Annotated[str, Meta(max_length=50)] | UnsetType = UNSET
    unit: Annotated[str, Meta(max_length=10)] = ""
    is_active: bool = True
    modbus_slave: int | None = None
    modbus_register: int | None = None
    alarm_low: Decimal | None = None
    alarm_high: Decimal | None = None
    register_modulus: Decimal | UnsetType | None = UNSET
    interval_s: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET


class GatewaySpec(Struct, forbid_unknown_fields=True):
    """A gateway of the file, with its devices. `mac` is in its stored form."""

    account: str
    code: Text
    mac: Mac
    devices: list[DeviceSpec] = []
    name: Annotated[str, Meta(max_length=100)] = ""
    location: Annotated[str, Meta(max_length=200)] = ""
    max_devices: Annotated[int, Meta(ge=1, le=32767)] = 8
    is_active: bool = True
    firmware_version: Annotated[str, Meta(max_length=50)] = ""
    offline_after_s: Annotated[int, Meta(ge=5)] | None = None

    def __post_init__(self) -> None:
        self.mac = read_mac(self.mac) or self.mac


class FleetSpec(Struct, forbid_unknown_fields=True):
    """The file."""

    accounts: list[AccountSpec] = []
    gateways: list[GatewaySpec] = []


class FleetError(ValueError):
    """The file is wrong. The text names the field and what is expected."""


class Loaded(Struct):
    """Rows by what happened to them: created, updated, unchanged."""

    accounts: Counter[str]
    gateways: Counter[str]
    devices: Counter[str]


def read_fleet(text: bytes) -> FleetSpec:
    """Read and check a file. Raises `FleetError`."""
    try:
        fleet = msgspec.json.decode(text, type=FleetSpec)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise FleetError(str(error).replace("`$.", "`")) from error
    for index, account in enumerate(fleet.accounts):
        try:
            validate_time_zone(account.time_zone)
        except ValidationError as error:
            raise FleetError(f"accounts[{index}].time_zone: {error.messages[0]}") from error
    _check_unique((gateway.mac for gateway in fleet.gateways), "gateways: MAC")
    _check_unique(((one.account, one.code) for one in fleet.gateways), "gateways: code")
    for index, gateway in enumerate(fleet.gateways):
        _check_unique((device.code for device in gateway.devices), f"gateways[{index}]: device")
        if len(gateway.devices) > gateway.max_devices:
            raise FleetError(
                f"gateways[{index}].devices: {len(gateway.devices)} devices, "
                f"max_devices is {gateway.max_devices}"
            )
        for device in gateway.devices:
            modulus = device.register_modulus
            if isinstance(modulus, Decimal) and modulus <= 0:
                raise FleetError(
                    f"gateways[{index}]: device {device.code!r}: register_modulus is {modulus}: "
                    "expected more than 0"
                )
    return fleet


def _check_unique(keys: Iterable[Any], what: str) -> None:
    for key, count in Counter(keys).items():
        if count > 1:
            raise FleetError(f"{what} {key!r} occurs {count} times: expected once")


@transaction.atomic
def load_fleet(fleet: FleetSpec) -> Loaded:
    """Create and update what the file names. Raises `FleetError`; then nothing is changed."""
    names = {spec.name for spec in fleet.accounts} | {spec.account for spec in fleet.gateways}
    accounts = {row.name: row for row in Account.objects.filter(name__in=names)}
    try:
        done_accounts = _save_all(
            Account, accounts, {spec.name: _list_present(spec) for spec in fleet.accounts}
        )
    except IntegrityError as error:  # a calendar that may not change: the database says why
        raise FleetError(f"accounts: {str(error).splitlines()[0]}") from error
    for index, spec in enumerate(fleet.gateways):
        if spec.account not in accounts:
            raise FleetError(f"gateways[{index}].account: no account is named {spec.account!r}")
    macs = [spec.mac for spec in fleet.gateways]
    gateways = {row.mac: row for row in Gateway.objects.filter(mac__in=macs)}
    wanted = {spec.mac: _gateway_fields(spec, accounts) for spec in fleet.gateways}
    done_gateways = _save_all(Gateway, gateways, wanted)
    devices = {
        (row.gateway_id, row.code): row
        for row in Device.objects.filter(gateway__in=gateways.values())
    }
    wanted_devices = {
        (gateways[spec.mac].pk, device.code): {
            **_list_present(device),
            "gateway": gateways[spec.mac],
            "account": accounts[spec.account],
        }
        for spec in fleet.gateways
        for device in spec.devices
    }
    try:
        for key, row in devices.items():
            check_settings_kept(row, wanted=wanted_devices.get(key, {}))
    except InstallationError as error:
        raise FleetError(f"devices: {error}") from error
    return Loaded(done_accounts, done_gateways, _save_all(Device, devices, wanted_devices))


def _list_present(spec: Struct) -> dict[str, Any]:
    """The fields of a spec without those that the file leaves out."""
    fields = msgspec.structs.asdict(spec)
    return {name: value for name, value in fields.items() if value is not UNSET}


def _gateway_fields(spec: GatewaySpec, accounts: dict[str, Account]) -> dict[str, Any]:
    fields = msgspec.structs.asdict(spec)
    del fields["devices"]
    return {**fields, "account": accounts[spec.account]}


def _save_all(
    model: type[Row], existing: dict[Any, Row], wanted: dict[Any, dict[str, Any]]
) -> Counter[str]:
    """Create and update in bulk; `existing` holds every wanted row afterwards."""
    created, updated, names = {}, [], set()
    for key, fields in wanted.items():
        row = existing.get(key)
        if row is None:
            created[key] = model(**fields)
            continue
        changed = {name for name, value in fields.items() if getattr(row, name) != value}
        if changed:
            for name in changed:
                setattr(row, name, fields[name])
            names |= changed
            updated.append(row)
    model._default_manager.bulk_create(created.values(), batch_size=1000)
    if updated:
        model._default_manager.bulk_update(updated, sorted(names), batch_size=1000)
    existing.update(created)
    return Counter(
        created=len(created),
        updated=len(updated),
        unchanged=len(wanted) - len(created) - len(updated),
    )
