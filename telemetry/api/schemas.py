"""What the API answers, field by field. The descriptions appear in the OpenAPI document."""

from base64 import b64encode
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from telemetry.api.values import Clock, Exact, Instant
from telemetry.core.measurement import Measurement
from telemetry.core.reasons import Reason
from telemetry.dead_letters.details import describe_detail

Id = Annotated[int, Field(ge=1)]

# The choices of the models, written out: the document lists each where it is used. A test compares.
Role = Literal["owner", "admin", "viewer"]
DeviceKind = Literal["meter", "sensor", "actuator"]
StampKind = Literal["end", "start"]
MonthState = Literal["open", "closed"]
DeadLetterState = Literal["pending", "replayed", "discarded", "taken"]
FindingRule = Literal[
    "dip",
    "spike",
    "reset",
    "too_fast",
    "silent",
    "stuck",
    "old_clock",
    "negative",
    "late",
    "double",
    "scale",
    "balance",
    "reported",
]
FindingState = Literal["open", "accepted", "ignored", "voided", "substituted", "gone"]
EditKind = Literal["void", "substitute"]
EditState = Literal["waiting", "applied", "rejected", "undo_waiting", "undone"]
AlarmKind = Literal[
    "low", "high", "above", "below", "jump", "device_limits", "day", "month", "night", "no_data",
    "finding", "offline",
]  # fmt: skip
DayKind = Literal["weekday", "saturday", "sunday", "holiday"]
AlarmEnding = Literal["", "reading", "limit", "inactive", "moved", "cleared", "rule"]


class Schema(BaseModel):
    """Made from the attributes of a row, never from what a client sent."""

    model_config = ConfigDict(from_attributes=True)


class Account(Schema):
    """An account that you are a member of."""

    id: Id
    name: str
    time_zone: Annotated[str, Field(description="IANA name; days and months are cut in it")]
    billing_day: Annotated[int, Field(ge=1, le=31, description="day on which months begin")]
    role: Annotated[Role, Field(description="your role")]
    rights: Annotated[list[str], Field(description="what your role allows")]


class Token(Schema):
    """The token that you sent."""

    name: str
    prefix: str
    scopes: list[str]
    account_id: Annotated[Id | None, Field(description="the only account that it opens; null: all")]
    expires_at: Instant | None


class Me(Schema):
    """Who you are."""

    id: Id
    username: str
    email: str
    signed_in_by: Literal["token", "session"]
    token: Token | None


class Gateway(Schema):
    """A gateway in the field."""

    id: Id
    code: str
    mac: str
    name: str
    location: str
    is_active: Annotated[bool, Field(description="messages of inactive ones are rejected")]
    is_online: bool
    last_seen: Instant | None
    firmware_version: str
    max_devices: int


class Device(Schema):
    """A meter, sensor or actuator behind a gateway."""

    id: Id
    gateway_id: Id
    code: str
    name: str
    group: Annotated[str, Field(description="by which reports add up; empty: none")]
    kind: DeviceKind
    measurement: Measurement
    unit: str
    is_active: bool
    modbus_slave: int | None
    modbus_register: int | None
    alarm_low: Exact | None
    alarm_high: Exact | None
    register_modulus: Exact | None
    interval_s: Annotated[int | None, Field(description="expected seconds between readings")]


class Reading(Schema):
    """A value of a device at an instant. `device_id` and `time` are its key."""

    time: Instant
    device_id: Id
    gateway_id: Id
    value: Exact
    unit: str
    received_at: Instant


ESTIMATED = "what of the total was spread over a time without readings that reaches beyond this"


class Aggregate(Schema):
    """A device in one hour or day. All numbers but the count are in the device's unit."""

    device_id: Id
    total: Annotated[Exact | None, Field(description="consumption; null for gauges")]
    estimated: Annotated[Exact, Field(description=ESTIMATED)]
    mean: Annotated[Exact | None, Field(description="of the readings; null without readings")]
    minimum: Exact | None
    maximum: Exact | None
    first: Exact | None
    last: Exact | None
    readings_count: Annotated[int, Field(ge=0)]


class Hour(Aggregate):
    """A device in a UTC hour: its readings after its start, up to and including its end."""

    hour: Annotated[Instant, Field(validation_alias="start", description="its start")]


class Day(Aggregate):
    """A device in a local day of the account, up to and including the midnight that ends it."""

    day: Annotated[date, Field(validation_alias="start")]


class Month(Schema):
    """A device in a billing month, up to and including the midnight that begins `month_end`. Of a
    closed month nothing changes any more, whatever is renamed, edited or comes late."""

    device_id: Id
    month: date
    month_end: Annotated[date, Field(description="first day of the next month")]
    state: MonthState
    unit: str
    total: Annotated[Exact | None, Field(description="consumption; null for gauges")]
    estimated: Annotated[Exact, Field(description=ESTIMATED)]
    adjustment: Annotated[
        Exact,
        Field(
            description="of earlier closed months, billed with this one: /adjustments has the lines"
        ),
    ]
    coverage: Annotated[
        Exact | None, Field(description="share of expected intervals with a reading, 0 to 1")
    ]
    daily_mean: Exact | None
    reading_mean: Exact
    minimum: Exact | None
    maximum: Exact | None
    first: Exact | None
    last: Exact | None
    readings_count: Annotated[int, Field(ge=0)]


class Band(Schema):
    """What a device consumed in the hours of a band."""

    band: Annotated[str, Field(description="as the account names it; empty: off-peak")]
    total: Exact
    estimated: Annotated[Exact, Field(description="what of it was spread over a gap")]
    demand: Annotated[Exact | None, Field(description="units an hour; null: it sends too seldom")]
    demand_at: Annotated[Instant | None, Field(description="when its 15 minutes began")]


class DeviceBands(Schema):
    """A device in a billing month, by band. A closed month has those that were kept with it."""

    device_id: Id
    label: Annotated[str, Field(description="gateway, code and name")]
    unit: str
    state: MonthState
    total: Exact
    lines: Annotated[list[Band], Field(description="none: closed before the account had bands")]


class BandPeriod(Schema):
    """When a band applies, by the local clock. Where two hold an instant, the one with the lower id
    counts; time that none holds is off-peak."""

    id: Id
    band: str
    days: list[DayKind]
    starts: Clock
    ends: Annotated[Clock, Field(description="00:00:00: midnight")]
    season_from: Annotated[str, Field(description="month and day; empty: all year")]
    season_to: Annotated[str, Field(description="the last day of the season")]


class Holiday(Schema):
    """A day on which the bands of holidays apply."""

    id: Id
    day: date
    name: str


class Assignment(Schema):
    """From when until when a gateway, with its devices, was the account's."""

    id: Id
    gateway_id: Id
    since: Annotated[Instant | None, Field(description="after it; null: from the beginning")]
    until: Annotated[
        Instant | None, Field(description="up to and including it; null: the account has it now")
    ]


class VirtualPart(Schema):
    """What a device adds to a virtual meter, or takes from it."""

    device_id: Id
    label: str
    sign: Annotated[int, Field(ge=-1, le=1, description="1: added, -1: subtracted")]
    total: Annotated[Exact | None, Field(description="null: nothing in the month")]
    estimated: Exact
    coverage: Exact | None


class VirtualSum(Schema):
    """What the parts come to."""

    total: Exact
    added: Exact
    subtracted: Exact
    estimated: Annotated[Exact, Field(description="of all parts, whatever their signs")]
    coverage: Annotated[Exact, Field(description="of the part with the least")]


class VirtualMonth(Schema):
    """A virtual meter in a billing month. A closed month has what was kept with it."""

    id: Id
    code: str
    name: str
    unit: str
    month: date
    month_end: date
    state: MonthState
    sum: VirtualSum
    parts: list[VirtualPart]


class Adjustment(Schema):
    """A change of a device's consumption in a month after it was closed."""

    id: Id
    device_id: Id
    month: date
    difference: Exact
    recorded_at: Instant
    settled_in: Annotated[
        date | None, Field(description="the later month with which it was billed; null: none yet")
    ]
    edit_ids: Annotated[
        list[Id],
        Field(description="edits that caused it"),
    ]
    installation_ids: Annotated[
        list[Id],
        Field(description="changes of meter that caused it"),
    ]
    moved_at: Annotated[
        Instant | None,
        Field(description="from when on its gateway changed accounts, where that caused it"),
    ]
    causes: Annotated[
        list[Literal["readings", "gaps", "repair"]],
        Field(
            description="what else did: late readings, a change of how gaps are counted, a repair; "
            "nothing at all: late readings"
        ),
    ]


UserName = Annotated[
    str | None,
    BeforeValidator(lambda user: user and user.get_username()),
    Field(description="a user's name"),
]


class Edit(Schema):
    """A change of the readings of a device from `since` to `until`, both included."""

    id: Id
    device_id: Id
    kind: EditKind
    since: Instant
    until: Instant
    value: Annotated[Exact | None, Field(description="that counts instead of the received one")]
    factor: Annotated[Exact | None, Field(description="by which the values were multiplied")]
    reason: str
    state: Annotated[EditState, Field(description="readings are changed in applied, undo_waiting")]
    readings_count: Annotated[int, Field(ge=0, description="readings that it changed")]
    requested_by: UserName
    requested_at: Instant
    decided_by: UserName
    decided_at: Annotated[Instant | None, Field(description="when it was approved or rejected")]
    undo_reason: str
    undo_requested_by: UserName
    undo_requested_at: Instant | None
    undone_by: UserName
    undone_at: Instant | None
    dead_letter_id: Annotated[Id | None, Field(description="whose value was taken")]


class Installation(Schema):
    """A meter at a device, or how one measures, from `since` on, until the next one begins."""

    id: Id
    device_id: Id
    since: Annotated[Instant | None, Field(description="null: from the beginning")]
    measurement: Measurement
    unit: str
    factor: Annotated[Exact, Field(description="what is read is multiplied by it")]
    register_modulus: Exact | None
    interval_s: int | None
    is_net: Annotated[bool, Field(description="it counts backwards, too")]
    stamp: Annotated[
        StampKind,
        Field(
            description="what the timestamp of a delta names: the end of its interval, or its "
            "beginning; then it is stored at the end"
        ),
    ]
    largest_rate: Annotated[
        Exact | None, Field(description="plausible an hour, with the factor; null: by its history")
    ]
    old_register: Annotated[Exact | None, Field(description="the last of the meter before")]
    first_register: Exact | None
    model: str
    serial: str
    note: str
    created_by: UserName
    created_at: Instant
    undone_by: UserName
    undone_at: Annotated[Instant | None, Field(description="one that was undone counts no more")]


class MonthEffect(Schema):
    """A billing month of a device that a change of the meter would make another one."""

    month: Annotated[date, Field(description="its first day")]
    is_closed: Annotated[
        bool, Field(description="it stays as it was billed; the difference becomes an adjustment")
    ]
    before: Annotated[Exact, Field(description="the live total now")]
    after: Annotated[Exact, Field(description="and then")]
    difference: Exact


class InstallationPreview(Schema):
    """What a change of the meter would do."""

    months: list[MonthEffect]
    until: Annotated[
        Instant | None, Field(description="readings after it were not looked at; null: all were")
    ]


class Finding(Schema):
    """What a rule says of a device's readings, and what somebody decided."""

    id: Id
    device_id: Id
    rule: FindingRule
    since: Instant
    until: Annotated[Instant | None, Field(description="null while it goes on")]
    evidence: Annotated[dict[str, str], Field(description="what was seen, by rule")]
    state: Annotated[FindingState, Field(description="gone: what is stored says it no more")]
    found_at: Instant
    changed_at: Instant
    decided_by: UserName
    decided_at: Instant | None
    note: str
    edit_id: Annotated[Id | None, Field(description="the edit that puts it right")]


class Total(Schema):
    """What all devices with one unit consumed; gauges are left out."""

    unit: str
    total: Exact
    devices_count: Annotated[int, Field(ge=1)]
    readings_count: Annotated[int, Field(ge=0)]


class DayTotal(Total):
    """A local day of the account."""

    day: Annotated[date, Field(validation_alias="start")]


class MonthTotal(Total):
    """A billing month of the account, by its first day."""

    month: Annotated[date, Field(validation_alias="start")]


class ReportLine(Schema):
    """A group of devices with one unit in a billing month."""

    month: date
    month_end: date
    key: Annotated[str, Field(description="id of the device or gateway; name of group or kind")]
    label: str
    unit: str
    devices_count: int
    total: Annotated[Exact, Field(description="what was consumed")]
    adjustments: Annotated[Exact, Field(description="of earlier closed months, billed with it")]
    billed_total: Annotated[Exact, Field(description="both together")]
    daily_mean: Exact
    readings_count: Annotated[int, Field(ge=0)]
    coverage: Exact | None
    state: MonthState


class DayNote(Schema):
    """A note on a local day of a device."""

    id: Id
    device_id: Id
    day: date
    text: str
    created_by: UserName
    created_at: Instant


class AlarmRule(Schema):
    """What raises an alarm. Null `device_id` and `gateway_id`: all of the account."""

    id: Id
    name: str
    kind: AlarmKind
    device_id: Id | None
    gateway_id: Id | None
    limit: Annotated[Exact | None, Field(description="null where the kind has none")]
    margin: Exact
    delay_minutes: int
    clear_minutes: int
    is_active: bool


class DeadLetter(Schema):
    """A message, or one reading of it, that was rejected."""

    id: Id
    reason: Reason
    detail: Annotated[
        str,
        BeforeValidator(describe_detail),
        Field(description="what exactly was wrong, in the language of Accept-Language"),
    ]
    topic: str
    mac: str
    device_code: str
    gateway_id: Id | None
    first_seen: Instant
    last_seen: Instant
    occurrences: Annotated[int, Field(ge=1)]
    state: DeadLetterState
    payload_bytes: Annotated[int, Field(ge=0)]


class DeadLetterWithPayload(DeadLetter):
    """A rejected message with its bytes."""

    payload: Annotated[
        str,
        BeforeValidator(lambda payload: b64encode(payload).decode()),
        Field(description="the message as it came, in base64"),
    ]


class Alarm(Schema):
    """A run of readings beyond one limit of a device, or a condition of an alarm rule that held.

    `low` and `high` are the device's own limits; every other kind is a rule's.
    """

    id: Id
    device_id: Annotated[Id | None, Field(description="null for an alarm of a gateway")]
    gateway_id: Annotated[Id | None, Field(description="null for an alarm of a device")]
    rule_id: Annotated[Id | None, Field(description="null: a device's own limit, or deleted")]
    kind: AlarmKind
    limit: Annotated[Exact | None, Field(description="null where the kind has none")]
    value: Annotated[Exact | None, Field(description="the value that was furthest beyond it")]
    detail: Annotated[str, Field(description="which findings, which limits; mostly empty")]
    opened_at: Annotated[Instant, Field(description="since when it was beyond the limit")]
    last_beyond_at: Annotated[Instant, Field(description="when it was beyond it last")]
    closed_at: Annotated[Instant | None, Field(description="null while it is open")]
    ending: Annotated[AlarmEnding, Field(description="why it ended; empty while it is open")]
    acknowledged_at: Instant | None
    acknowledged_by: UserName
    note: str
