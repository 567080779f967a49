"""What people change while messages flow: they edit readings, undo an edit, move a gateway, change
a meter. Whatever fault hits meanwhile, they try again until it is done."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.chaos.fleets import ScheduleFleet

STORED_WITHIN_S = 60.0
DONE_WITHIN_S = 90.0
LEAST_READINGS = 5
WAIT_S = 0.3


def change_fleet(of: ScheduleFleet) -> tuple[int, list[str]]:
    """Make all changes, each of devices of its own; how many were made, and why others were not."""
    from django.db import connection

    edited, moved, metered = of.fleet.gateways[1:4]
    problems = []
    changes: list[Callable[[], Any]] = [
        lambda: _void_and_undo(edited.devices[0].id),
        lambda: _double(edited.devices[1].id),
        lambda: _move(moved.mac),
        lambda: _change_meter(metered.devices[0].id),
    ]
    try:
        for number, change in enumerate(changes, 1):
            if problem := _try(change):
                problems.append(f"change {number} while messages flow: {problem}")
    finally:
        connection.close()  # this thread's
    return len(changes) - len(problems), problems


def _try(change: Callable[[], Any]) -> str:
    """Make a change, again where a fault ended it; why it was not made. One that was made although
    its end was not seen is refused the second time."""
    from django.db import DatabaseError, InterfaceError, connection

    from telemetry.assignments.moving import AssignmentError
    from telemetry.installations.texts import InstallationError
    from telemetry.store.edits.apply import EditError

    give_up_at = time.monotonic() + DONE_WITHIN_S
    was_ended = False
    while True:
        try:
            change()
        except (AssignmentError, EditError, InstallationError) as error:
            return "" if was_ended else f"refused: {error}"
        except (DatabaseError, InterfaceError, OSError) as error:
            connection.close()
            if time.monotonic() > give_up_at:
                return f"not possible: {error}"
            was_ended = True
            time.sleep(WAIT_S)
        else:
            return ""


def _void_and_undo(device_id: int) -> None:
    from telemetry.edits.editing import VOID, undo_edit
    from telemetry.models import Edit

    applied = Edit.objects.filter(device_id=device_id, state=Edit.State.APPLIED).first()
    edit = applied or _edit(device_id, VOID)
    time.sleep(WAIT_S)  # more comes, and what was voided comes once more
    undo_edit(edit, user=None, reason="chaos")


def _double(device_id: int) -> None:
    from telemetry.edits.editing import Change

    _edit(device_id, Change(factor=Decimal(2)))


def _edit(device_id: int, change: Any) -> Any:
    """An edit of what is stored of a device so far."""
    from telemetry.edits.editing import request_edit
    from telemetry.models import Device, Reading

    device = Device.objects.select_related("account", "gateway").get(pk=device_id)
    give_up_at = time.monotonic() + STORED_WITHIN_S
    while True:
        times = list(
            Reading.objects.filter(device_id=device_id)
            .order_by("time")
            .values_list("time", flat=True)
        )
        if len(times) >= LEAST_READINGS or time.monotonic() > give_up_at:
            break
        time.sleep(WAIT_S)
    return request_edit(
        device.account,
        device=device,
        since=times[0],
        until=times[-1],
        change=change,
        reason="chaos",
        user=None,
    )


def _move(mac: str) -> None:
    """To an account of its own, from this hour on: what comes from now on is among it, and what is
    stored."""
    from telemetry.assignments.moving import move_gateway
    from telemetry.models import Account, Gateway

    account, _ = Account.objects.get_or_create(name=f"Moved {mac}")
    since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    move_gateway(Gateway.objects.get(mac=mac), account, since=since)


def _change_meter(device_id: int) -> None:
    """Behind a transformer from now on."""
    from telemetry.installations.changing import MeterChange, change_meter
    from telemetry.models import Device

    device = Device.objects.select_related("account", "gateway").get(pk=device_id)
    change = MeterChange(
        since=datetime.now(UTC), measurement=device.measurement, unit=device.unit,
        factor=Decimal(40),
    )  # fmt: skip
    change_meter(device, change, user=None)
