"""Load the past of the demo fleet: import, replace, decide, close and correct as people would.

Each step may be repeated: what was stored before is a duplicate, what was done is left alone.
"""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep

from django.core.management import call_command
from django.db.models import QuerySet

from config.celery import app
from config.env import read_options
from config.options import DatabaseOptions
from telemetry.core.batch import MAINTENANCE_QUEUE, REFRESH_TASK
from telemetry.core.findings import BLOCKING
from telemetry.demo.messages import list_lines, read_register_at
from telemetry.edits.editing import Change, request_edit
from telemetry.findings.deciding import decide_finding
from telemetry.installations.changing import KEPT, MeterChange, change_meter
from telemetry.models import (
    Account,
    BandPeriod,
    Device,
    Edit,
    Finding,
    Installation,
    MonthlyConsumption,
    User,
)
from telemetry.simulator.demo_events import Events, Spike, list_events
from telemetry.simulator.options import RunOptions
from telemetry.simulator.registration import DEMO_MAC_PREFIX, find_demo_fleet, find_registration
from telemetry.simulator.simulated_fleet import SimulatedFleet
from telemetry.store.aggregates.refresh import RefreshBusyError, refresh_aggregates
from telemetry.store.billing.closing import MonthError, close_month
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.findings.evaluate import EvaluationBusyError, evaluate_findings

NEWEST = timedelta(weeks=9)
"""Imported first: this month and all of the last one."""
LATEST_START = timedelta(days=3)
"""A fleet that is older has a past of its own by now; and the oldest messages would be too late."""
BANDS = (("Peak", time(17, 30), time(20, 30)), ("Intermediate", time(16, 30), time(21, 30)))
"""The first one counts where both apply."""
SEED = RunOptions().seed  # that of the fleet which publishes afterwards
WAIT_S = 0.5
CAUSE = "The converter sent 40 times the value: the protocol of the installer says so"

Say = Callable[[str], None]


def load_history(*, now: datetime, say: Say) -> None:
    """Load what is missing. Raises `SimulatorError`, `psycopg.Error`, or what the import ends with
    (`SystemExit`)."""
    fleet, registered_at = find_demo_fleet(), find_registration()
    events = list_events(registered_at)
    if Edit.objects.filter(reason=CAUSE).exists():
        say("the demo fleet has its past already")
        return
    if now - registered_at > LATEST_START:
        say(f"the demo fleet has been registered since {registered_at:%Y-%m-%d}: it gets no past")
        return
    url = read_options(DatabaseOptions).url
    with open_connection(url, name="tds-demo", statement_timeout_s=600) as connection:
        _replace_meter(fleet, events)
        _add_bands()
        newest = (events.until - NEWEST).replace(minute=0)  # readings are of whole hours
        for since, until in ((newest, events.until), (events.since, newest)):
            _import(fleet, events, since=since, until=until)
            _refresh(connection)
            # Pages show totals by the time of the task's last run.
            app.send_task(REFRESH_TASK, queue=MAINTENANCE_QUEUE, retry=False, expires=60)
            say(f"the past from {since:%Y-%m-%d} to {until:%Y-%m-%d} is there")
        _evaluate(connection, now=now)
        _accept(events.accepted_spike)
        for account in _list_accounts():
            _close_months(account, events, now=now, say=say)
        _import(fleet, events, since=events.since, until=events.until, is_late=True)
        _correct(events.accepted_spike)
        _refresh(connection)
    say("the past of the demo fleet is complete")


def _import(
    fleet: SimulatedFleet,
    events: Events,
    *,
    since: datetime,
    until: datetime,
    is_late: bool = False,
) -> None:
    lines = list_lines(fleet, events, since=since, until=until, seed=SEED, is_late=is_late)
    with TemporaryDirectory() as folder:
        path = Path(folder, "past.jsonl")
        with path.open("wb") as file:
            file.writelines(line + b"\n" for line in lines)
        call_command("import_readings", path)


def _refresh(connection: Connection) -> None:
    """Wait for a scheduled one that is under way, rather than leave hours to the next."""
    while True:
        try:
            refresh_aggregates(connection)
        except RefreshBusyError:
            sleep(WAIT_S)
        else:
            return


def _evaluate(connection: Connection, *, now: datetime) -> None:
    while True:
        try:
            evaluate_findings(connection, now=now)
        except EvaluationBusyError:
            sleep(WAIT_S)
        else:
            return


def _replace_meter(fleet: SimulatedFleet, events: Events) -> None:
    event = events.replacement
    device = _find_device(event.mac, event.code)
    if Installation.objects.filter(device=device, since=event.at).exists():
        return
    change = MeterChange(
        since=event.at,
        **{name: getattr(device, name) for name in KEPT},
        old_register=read_register_at(fleet, event, seed=SEED),
        first_register=Decimal(),
        note="The old meter was due for calibration",
    )
    change_meter(device, change, user=None)


def _add_bands() -> None:
    """Those of most tariffs in Brazil: a peak in the evening, and the hour before and after."""
    for account in _list_accounts():
        for band, starts, ends in BANDS:
            BandPeriod.objects.get_or_create(
                account=account, band=band, days=["weekday"], starts=starts, ends=ends
            )


def _list_accounts() -> QuerySet[Account]:
    return Account.objects.filter(gateways__mac__startswith=DEMO_MAC_PREFIX).distinct()


def _accept(spike: Spike) -> None:
    """What must be decided before its month is closed."""
    device = _find_device(spike.mac, spike.code)
    owner = _find_owner(device.account)
    if owner is None:
        return
    findings = Finding.objects.filter(device=device, state="open", rule__in=BLOCKING)
    for finding in findings.filter(since__lt=spike.at, until__gte=spike.at):
        decide_finding(finding, state="accepted", user=owner, note="Test run of the new machine")


def _close_months(account: Account, events: Events, *, now: datetime, say: Say) -> None:
    owner = _find_owner(account)
    months = MonthlyConsumption.objects.filter(
        account=account, state="open", month__lt=events.closed_until.date()
    )
    for month in months.order_by("month").values_list("month", flat=True).distinct():
        try:
            close_month(account.pk, month=month, user_id=owner.pk if owner else None, now=now)
        except MonthError as error:
            say(f"{account.name}: {error}")


def _correct(spike: Spike) -> None:
    """The reading that was accepted was wrong: its month, which is closed, gets an adjustment."""
    device = _find_device(spike.mac, spike.code)
    finding = Finding.objects.filter(device=device, since__lt=spike.at, until__gte=spike.at)
    request_edit(
        device.account,
        device=device,
        since=spike.at,
        until=spike.at,
        change=Change(factor=Decimal(1) / spike.factor),
        reason=CAUSE,
        user=_find_owner(device.account),
        finding=finding.filter(rule__in=BLOCKING).first(),
    )


def _find_device(mac: str, code: str) -> Device:
    return Device.objects.select_related("account").get(gateway__mac=mac, code=code)


def _find_owner(account: Account) -> User | None:
    return User.objects.filter(memberships__account=account, memberships__role="owner").first()
