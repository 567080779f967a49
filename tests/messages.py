"""Messages of the contract, made for tests."""

import json
from typing import Any

from telemetry.core.batch import RawMessage

MAC = "aa:bb:cc:dd:ee:ff"
TOPIC = f"tds_new/devices/{MAC}/telemetry"


def make_payload(
    *,
    code: str = "D01",
    valor: Any = 1,
    unit: str = "kWh",
    at: str = "2026-11-01T00:00:00Z",
    mac: str = MAC,
    items: list[Any] | None = None,
) -> bytes:
    """A payload with one reading, or with `items`."""
    reading = {"dispositivo_codigo": code, "valor": valor, "unidade": unit}
    fields = {
        "gateway_mac": mac,
        "timestamp": at,
        "leituras": [reading] if items is None else items,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def make_message(**fields: Any) -> RawMessage:
    """A message on the gateway's own topic."""
    mac = fields.get("mac", MAC)
    return RawMessage(f"tds_new/devices/{mac}/telemetry", make_payload(**fields))
