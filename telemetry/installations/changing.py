"""Enter a change of the meter at a device, and undo one: for pages, API and admin.

Every function raises `InstallationError`, whose text is for people; nothing has changed then. Who
may do it is decided before (`telemetry/accounts/access.py`).
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.core import installations as core
from telemetry.core.measurement import Measurement
from telemetry.installations.rules import check_change, check_order
from telemetry.installations.texts import (
    InstallationError,
    describe_change,
    describe_device,
    describe_instant,
)
from telemetry.models import Device, Installation, Reading, User
from telemetry.store.installations.preview import Preview, preview_change

SETTINGS = (
    "measurement", "unit", "factor", "register_modulus", "interval_s", "is_net", "largest_rate",
    "stamp",
)  # fmt: skip
"""How a device measures, which changes only from an instant on."""
KEPT = ("measurement", "unit", "register_modulus", "interval_s")
"""What a device has of them itself."""


class MeterChange(Struct, frozen=True, kw_only=True):
    """A meter from `since` on. Registers are None where a meter has none, and where a reading of
    that very instant says what they were."""

    since: datetime
    measurement: str
    unit: str = ""
    factor: Decimal = Decimal(1)
    register_modulus: Decimal | None = None
    interval_s: int | None = None
    is_net: bool = False
    stamp: str = "end"
    largest_rate: Decimal | None = None
    old_register: Decimal | None = None
    first_register: Decimal | None = None
    model: str = ""
    serial: str = ""
    note: str = ""


def plan_change(device: Device, change: MeterChange, *, user: User | None) -> Installation:
    """The installation that a change comes to, not saved."""
    installation = Installation(
        device=device, created_by=user, created_at=timezone.now(),
        **{name: getattr(change, name) for name in MeterChange.__struct_fields__},
    )  # fmt: skip
    before = find_installation(device, before=change.since)
    _take_registers(installation, before)
    check_change(installation, before, find_next(device, after=change.since))
    return installation


@transaction.atomic
def change_meter(device: Device, change: MeterChange, *, user: User | None) -> Installation:
    """Begin an installation. The next refresh computes again what it changes; a closed month keeps
    what was billed, and the difference becomes an adjustment."""
    _lock(device)
    installation = plan_change(device, change, user=user)
    installation.save()
    return installation


@transaction.atomic
def undo_change(installation: Installation, *, user: User | None) -> Installation:
    """Let the meter before go on, as if there had been no change."""
    _lock(installation.device)
    installation.refresh_from_db(fields=["undone_at"])
    if installation.since is None or installation.undone_at is not None:
        raise InstallationError(
            _("%(what)s: this is no change of the meter that can be undone")
            % {"what": describe_change(installation)}
        )
    before = find_installation(installation.device, before=installation.since)
    check_order(installation, before, find_next(installation.device, after=installation.since))
    installation.undone_by, installation.undone_at = user, timezone.now()
    installation.save(update_fields=["undone_by", "undone_at"])
    return installation


def list_until(device: Device, *, before: datetime) -> "QuerySet[Installation]":
    """Those that began before an instant, the newest first."""
    rows = Installation.objects.filter(device=device, undone_at=None)
    began = rows.filter(Q(since=None) | Q(since__lt=before))  # the first one has no beginning
    return began.order_by(F("since").desc(nulls_last=True))


def find_installation(device: Device, *, before: datetime) -> Installation:
    """The one by which readings just before an instant are measured."""
    return list_until(device, before=before)[:1].get()


def find_next(device: Device, *, after: datetime) -> Installation | None:
    """The first one that began after an instant."""
    rows = Installation.objects.filter(device=device, undone_at=None, since__gt=after)
    return rows.order_by("since").first()


def check_settings_kept(device: Device, *, wanted: Mapping[str, Any] | None = None) -> None:
    """Raise `InstallationError` when a device is to measure otherwise, and has readings already.
    `wanted`: what it is to have; None: what it has, and the database has not yet."""
    if wanted is None:
        wanted = {name: getattr(device, name) for name in KEPT}
        stored = Device.objects.filter(pk=device.pk).values(*KEPT).first()
    else:
        stored = {name: getattr(device, name) for name in KEPT}
    if stored is None:
        return
    changed = [name for name in KEPT if wanted.get(name, stored[name]) != stored[name]]
    if not changed:
        return
    newest = Reading.objects.filter(device_id=device.pk).order_by("-time").first()
    if newest is None:
        return
    names = ", ".join(str(Device._meta.get_field(name).verbose_name) for name in changed)  # type: ignore[union-attr]
    raise InstallationError(
        _(
            "%(device)s: %(names)s cannot be changed in place, as there are readings, the last one "
            "of %(at)s (%(value)s). Enter a change of the meter, with its instant, instead"
        )
        % {
            "device": describe_device(device),
            "names": names,
            "at": describe_instant(newest.time, device),
            "value": newest.value,
        }
    )


def _take_registers(installation: Installation, before: Installation) -> None:
    """Registers that were left out are those of a reading at the instant, when it is there."""
    is_register = installation.measurement == Device.Measurement.CUMULATIVE
    was_register = before.measurement == Device.Measurement.CUMULATIVE
    if not (is_register or was_register):
        return
    assert installation.since is not None
    rows = Reading.objects.filter(device_id=installation.device_id, time=installation.since)
    value = rows.values_list("value", flat=True).first()
    if was_register and installation.old_register is None:
        installation.old_register = value
    if is_register and installation.first_register is None and not installation.serial:
        installation.first_register = installation.old_register if was_register else value


def _lock(device: Device) -> None:
    """Changes of a device go one after the other."""
    Device.objects.select_for_update().get(pk=device.pk)


def preview(installation: Installation) -> Preview:
    """What a planned change would do to the months of its device."""
    new = core.Installation(
        core.Meter(
            cast("Measurement", installation.measurement),
            installation.register_modulus,
            installation.interval_s,
            installation.factor,
            installation.is_net,
            installation.largest_rate,
        ),
        installation.since,
        installation.old_register,
        installation.first_register,
    )
    device = installation.device
    return preview_change(device.account_id, device_id=device.pk, new=new)


def preview_undo(installation: Installation) -> Preview:
    """What undoing a change would do to the months of its device."""
    device = installation.device
    return preview_change(device.account_id, device_id=device.pk, undone=installation.since)
