"""A payload taken apart: typed fields, values still JSON text."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from msgspec import Meta, Raw, Struct

from telemetry.core.reasons import RejectedError
from telemetry.core.texts import MAX_CODE_LENGTH, MAX_UNIT_LENGTH

MAX_READINGS = 500


class Item(
    Struct,
    forbid_unknown_fields=True,
    gc=False,
    rename={"code": "dispositivo_codigo", "value": "valor", "unit": "unidade"},
):
    """One item of `leituras`; the value is still JSON text."""

    code: Annotated[str, Meta(min_length=1, max_length=MAX_CODE_LENGTH)]
    value: Raw
    unit: Annotated[str, Meta(min_length=1, max_length=MAX_UNIT_LENGTH)]
    extra: ClassVar[str | None] = None


class ItemWithExtra(Struct, gc=False):
    """An item with further keys, kept as the text of a JSON object in `extra`."""

    code: str
    value: Raw
    unit: str
    extra: str | None


class Payload(Struct):
    """A decoded payload. A bad item is replaced by its error."""

    gateway_mac: str
    timestamp: str
    items: Sequence[Item | ItemWithExtra | RejectedError]
