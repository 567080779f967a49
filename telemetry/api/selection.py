"""The rows that a request names: the account's own, or there are none such."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from telemetry.api.parameters import OfDevices
from telemetry.api.problems import NotFoundError
from telemetry.models import ClosedLine, Device, Gateway
from telemetry.store.assignments.former import list_former_ids

Row = TypeVar("Row", bound=Model)


def find_row(rows: "QuerySet[Row, Any]", key: int) -> Row:
    """The row with this id. Raises `NotFoundError`."""
    row: Row | None = rows.filter(pk=key).first()
    if row is None:
        raise NotFoundError
    return row


def require_gateway(account_id: int, *, gateway_id: int | None) -> None:
    """Raise `NotFoundError` when a gateway is named that is not the account's."""
    if gateway_id is not None:
        find_row(Gateway.objects.filter(account_id=account_id), gateway_id)


def select_devices(account_id: int, params: OfDevices) -> list[int]:
    """Ids of the devices that are meant, in order; all of the account when none is named. Unless a
    gateway is named, also devices that moved to another account and left something in this one.

    Raises `NotFoundError` when one of them is not the account's, or not the gateway's.
    """
    require_gateway(account_id, gateway_id=params.gateway_id)
    rows = Device.objects.filter(account_id=account_id)
    if params.gateway_id is not None:
        rows = rows.filter(gateway_id=params.gateway_id)
    if params.device_id:
        rows = rows.filter(pk__in=params.device_id)
    pks = list(rows.order_by("pk").values_list("pk", flat=True))
    if params.gateway_id is None and (
        not params.device_id or len(pks) != len(set(params.device_id))
    ):
        among = params.device_id or None
        pks = sorted({*pks, *list_former_ids(account_id, among=among)})
    if params.device_id and len(pks) != len(set(params.device_id)):
        raise NotFoundError
    return pks


def add_former_devices(device_ids: list[int], account_id: int, params: OfDevices) -> list[int]:
    """Also those that moved to another account and have closed months in this one, in order, when
    all of the account are meant."""
    if params.device_id or params.gateway_id is not None:
        return device_ids
    lines = ClosedLine.objects.filter(account_id=account_id).exclude(device_id__in=device_ids)
    return sorted({*device_ids, *lines.values_list("device_id", flat=True).distinct()})


def filter_devices(
    rows: "QuerySet[Row, Any]", account_id: int, params: OfDevices
) -> "QuerySet[Row, Any]":
    """The rows of the devices that are meant. Raises as `select_devices` does."""
    if not params.device_id and params.gateway_id is None:
        return rows
    return rows.filter(device_id__in=select_devices(account_id, params))
