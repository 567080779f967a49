"""The domain's nouns. Tables under `telemetry/sql` that the ORM does not manage are read only."""

from telemetry.models.accounts import Account, Membership, User
from telemetry.models.alarm_rules import AlarmDelivery, AlarmRule, AlarmWatch, Webhook
from telemetry.models.alarms import Alarm, AlarmCursor
from telemetry.models.assignments import Assignment
from telemetry.models.bands import BandPeriod, Holiday
from telemetry.models.certificates import Certificate, Enrolment, Lot
from telemetry.models.consumption import DailyAggregate, MonthlyConsumption
from telemetry.models.dashboards import KioskLink, SavedView
from telemetry.models.dead_letters import DeadLetter, DeadLetterAction
from telemetry.models.edits import Edit, EditedReading
from telemetry.models.findings import ChangedHour, Finding
from telemetry.models.fleet import Device, Gateway, GatewayEvent
from telemetry.models.installations import Installation
from telemetry.models.invitations import Invitation, MembershipEvent
from telemetry.models.ledger import Batch, BatchDay, DirtyHour, FrozenHour
from telemetry.models.months import ClosedLine, ClosedMonth, MonthAdjustment, MonthEvent
from telemetry.models.notes import DayNote
from telemetry.models.readings import HourlyListing, Reading, ReadingListing
from telemetry.models.reports import ReportDelivery, ReportSchedule
from telemetry.models.retention import DroppedRange, Storage
from telemetry.models.sessions import Identity, Session, SignInFailure
from telemetry.models.summaries import DeadLetterGroup, LedgerQuarter
from telemetry.models.tasks import TaskHistory, TaskRun
from telemetry.models.tokens import ApiToken
from telemetry.models.virtual_meters import VirtualMeter, VirtualPart

__all__ = [
    "Account",
    "Alarm",
    "AlarmCursor",
    "AlarmDelivery",
    "AlarmRule",
    "AlarmWatch",
    "ApiToken",
    "Assignment",
    "BandPeriod",
    "Batch",
    "BatchDay",
    "Certificate",
    "ChangedHour",
    "ClosedLine",
    "ClosedMonth",
    "DailyAggregate",
    "DayNote",
    "DeadLetter",
    "DeadLetterAction",
    "DeadLetterGroup",
    "Device",
    "DirtyHour",
    "DroppedRange",
    "Edit",
    "EditedReading",
    "Enrolment",
    "Finding",
    "FrozenHour",
    "Gateway",
    "GatewayEvent",
    "Holiday",
    "HourlyListing",
    "Identity",
    "Installation",
    "Invitation",
    "KioskLink",
    "LedgerQuarter",
    "Lot",
    "Membership",
    "MembershipEvent",
    "MonthAdjustment",
    "MonthEvent",
    "MonthlyConsumption",
    "Reading",
    "ReadingListing",
    "ReportDelivery",
    "ReportSchedule",
    "SavedView",
    "Session",
    "SignInFailure",
    "Storage",
    "TaskHistory",
    "TaskRun",
    "User",
    "VirtualMeter",
    "VirtualPart",
    "Webhook",
]
