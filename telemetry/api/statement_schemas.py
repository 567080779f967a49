"""A statement, field by field. The descriptions appear in the OpenAPI document."""

from datetime import date
from typing import Annotated

from pydantic import Field

from telemetry.api.schemas import Id, Schema
from telemetry.api.values import Exact, Instant
from telemetry.core.measurement import Measurement
from telemetry.core.statements import Source


class RegisterValue(Schema):
    """What a register had reached at an end, before the factor."""

    value: Exact
    at: Annotated[
        Instant, Field(description="of the reading, which may be before the end of the period")
    ]
    source: Annotated[
        Source,
        Field(description="interpolated: in a time without readings; entered: with a meter change"),
    ]


class StatementPart(Schema):
    """What a meter counted after `since`, up to and including `until`."""

    since: Instant
    until: Instant
    measurement: Measurement
    unit: str
    factor: Exact
    serial: str
    opening: Annotated[RegisterValue | None, Field(description="null: it has no register")]
    closing: RegisterValue | None
    total: Exact
    estimated: Exact


class DeviceStatement(Schema):
    """What a device consumed, in one unit; one whose unit changed is there twice."""

    device_id: Id
    label: Annotated[str, Field(description="gateway, code and name")]
    unit: str
    total: Exact
    estimated: Annotated[
        Exact, Field(description="of times without readings that reach over an end of the period")
    ]
    parts: Annotated[list[StatementPart], Field(description="a meter each, in order")]


class StatementTotal(Schema):
    """All devices with one unit."""

    unit: str
    devices_count: Annotated[int, Field(ge=1)]
    total: Exact
    estimated: Exact


class VirtualStatement(Schema):
    """What a virtual meter comes to: devices that are added, less those that are subtracted."""

    id: Id
    label: Annotated[str, Field(description="code and name")]
    unit: str
    total: Exact
    added: Exact
    subtracted: Exact
    estimated: Annotated[Exact, Field(description="of what its devices measured")]


class Statement(Schema):
    """What devices consumed after `since`, up to and including `until`. Values are live: what came
    after a month was closed is in them."""

    since: Instant
    until: Instant
    time_zone: str
    refreshed_at: Annotated[Instant | None, Field(description="values are as of then")]
    totals: list[StatementTotal]
    devices: list[DeviceStatement]
    closed_months: Annotated[
        list[date], Field(description="of which it has a part: /adjustments has what came later")
    ]
    edit_ids: Annotated[list[Id], Field(description="edits of readings in it, the first 500")]
    finding_ids: Annotated[list[Id], Field(description="findings in it, the first 500")]
    virtual: Annotated[
        VirtualStatement | None, Field(description="null: it is not about a virtual meter")
    ]
