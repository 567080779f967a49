"""The body that is posted to a webhook (README.md describes it)."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from telemetry.mail.links import make_link
from telemetry.models import Alarm, AlarmDelivery

MOST_ALARMS = 200
"""In one body; `alarms_count` says how many there are."""


def make_payload(delivery: AlarmDelivery) -> bytes:
    """JSON. Numbers are texts with every digit; instants are in UTC."""
    rule, account = delivery.rule, delivery.account
    return json.dumps(
        {
            "event": delivery.event,
            "delivery_id": delivery.pk,
            "account": account and {
                "id": account.pk, "name": account.name, "time_zone": account.time_zone,
            },
            "rule": rule and {"id": rule.pk, "name": rule.name, "kind": rule.kind},
            "alarms_count": len(delivery.alarm_ids),
            "alarms": [_describe(alarm) for alarm in list_alarms(delivery)[:MOST_ALARMS]],
        }
    ).encode()  # fmt: skip


def list_alarms(delivery: AlarmDelivery) -> list[Alarm]:
    """The alarms of a delivery with their devices and gateways. What is another account's by now
    is not named."""
    alarms = Alarm.objects.filter(pk__in=delivery.alarm_ids, account=delivery.account)
    rows = list(alarms.select_related("device__gateway", "gateway").order_by("opened_at", "pk"))
    for alarm in rows:
        of = delivery.account_id
        if alarm.device is not None and alarm.device.account_id != of:
            alarm.device = None
        if of is not None and alarm.gateway is not None and alarm.gateway.account_id != of:
            alarm.gateway = None
    return rows


def find_link(alarm: Alarm) -> str:
    """Where the alarm is on the site."""
    if alarm.account_id is None:
        return make_link("admin:telemetry_alarm_change", alarm.pk)
    return f"{make_link('alarms', alarm.account_id)}#alarm-{alarm.pk}"


def _describe(alarm: Alarm) -> dict[str, Any]:
    device, gateway = alarm.device, alarm.gateway
    if device is not None:
        gateway = device.gateway
    return {
        "id": alarm.pk,
        "kind": alarm.kind,
        "value": _number(alarm.value),
        "limit": _number(alarm.limit),
        "unit": alarm.unit or (device.unit if device else ""),
        "detail": alarm.detail,
        "device": device and {"id": device.pk, "code": device.code, "name": device.name},
        "gateway": gateway and {"id": gateway.pk, "code": gateway.code, "name": gateway.name},
        "opened_at": _instant(alarm.opened_at),
        "closed_at": _instant(alarm.closed_at),
        "acknowledged_at": _instant(alarm.acknowledged_at),
        "url": find_link(alarm),
    }


def _number(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
