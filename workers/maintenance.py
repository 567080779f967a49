"""The pool "maintenance": what beat sends, and replays."""

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import structlog
from celery import shared_task
from celery.signals import worker_init, worker_ready
from kombu.exceptions import OperationalError as QueueError
from msgspec import convert, structs, to_builtins

from config.celery import app
from config.env import read_options
from config.options import DatabaseOptions, MaintenanceOptions
from config.queue import connect_redis
from config.start import stop_on_errors
from telemetry.alarms.deliver import deliver_alarms as deliver_due_alarms
from telemetry.alarms.rules import evaluate_rules
from telemetry.alarms.system import SystemState
from telemetry.certificates.status import update_and_check
from telemetry.core.batch import (
    APPLY_RETENTION_TASK,
    CHECK_CERTIFICATES_TASK,
    COMPARE_ZONES_TASK,
    DELIVER_ALARMS_TASK,
    EVALUATE_ALARMS_TASK,
    EVALUATE_FINDINGS_TASK,
    EVALUATE_RULES_TASK,
    MAINTENANCE_QUEUE,
    MARK_OFFLINE_TASK,
    PURGE_LEDGER_TASK,
    REFRESH_TASK,
    REPLAY_WAITING_TASK,
    REQUEUE_TASK,
    SEND_MAIL_TASK,
    SEND_REPORTS_TASK,
    SUMMARISE_TASK,
    VERIFY_TASK,
)
from telemetry.core.presence import BridgeSign, choose_offline_instant
from telemetry.dead_letters.replay import find_waiting_dead_letters, replay_dead_letters
from telemetry.mail.outbox import HIDDEN
from telemetry.mail.write import write_mail
from telemetry.queue.batches import BatchQueue
from telemetry.queue.bridges import read_bridges
from telemetry.queue.requeue import requeue_batches
from telemetry.queue.statuses import forget_statuses, read_statuses
from telemetry.reporting.sending import send_due_reports
from telemetry.store.aggregates import refresh
from telemetry.store.aggregates.throttle import Throttle
from telemetry.store.alarms import evaluate
from telemetry.store.db.connection import Connection, become_owner, open_connection
from telemetry.store.findings import evaluate as findings
from telemetry.store.ingest.presence import mark_offline, mark_online
from telemetry.store.operations.delivery_report import read_report
from telemetry.store.operations.housekeeping import (
    fold_ledger,
    purge_alarm_deliveries,
    purge_registry_changes,
    purge_task_history,
)
from telemetry.store.operations.summaries import count_groups, read_waiting, sum_quarters
from telemetry.store.operations.time_zones import WHAT_TO_DO, compare_zones
from telemetry.store.retention.apply import apply_retention as store_apply_retention
from telemetry.store.verification import verify as verification
from workers import signs  # noqa: F401 - connects to Celery's signals
from workers.chains import begin_turn, end_turn, wait_turn
from workers.recording import BUSY, Result, recorded_task

RETENTION_TURN_S = 30.0
VERIFY_TURN_S = 30.0
TOLD_DIFFERENCES = 20
MAIL_TRIES = 5
MAIL_WAIT_S = 15.0  # before the second try, then twice as long each time

log = structlog.get_logger("workers.maintenance")


@worker_init.connect
def _hold_to_the_rules(**_: object) -> None:
    """Start with no settings that contradict each other."""
    stop_on_errors(exit_code=2)


@worker_ready.connect
def _ask_for_zones(**_: object) -> None:
    """Compare time zones at each start: an update of either side comes with one."""
    try:
        app.send_task(COMPARE_ZONES_TASK, queue=MAINTENANCE_QUEUE, expires=600, retry=False)
    except QueueError as error:
        log.warning("redis_unavailable", error=str(error))


@cache
def _options() -> MaintenanceOptions:
    return read_options(MaintenanceOptions)


def _queue() -> BatchQueue:
    redis = _options().queue.redis
    return BatchQueue(connect_redis(redis), app, wait_replicas=redis.wait_replicas)


def _connect() -> Connection:
    return open_connection(
        read_options(DatabaseOptions).url, name="tds-maintenance", statement_timeout_s=600
    )


def _connect_as_owner() -> Connection:
    connection = _connect()
    become_owner(connection)
    return connection


def _visibility_s() -> int:
    return _options().queue.visibility_timeout_s


@cache
def _evaluator() -> evaluate.AlarmEvaluator:
    return evaluate.AlarmEvaluator()


@recorded_task(REQUEUE_TASK, rows="requeued", is_frequent=True)
def requeue_stale_batches() -> Result:
    """Send again pending batches whose task was lost, and held ones once the guard has released."""
    requeued = requeue_batches(_queue(), now=time.time(), stale_after_s=_options().stale_after_s)
    return structs.asdict(requeued)


@recorded_task(MARK_OFFLINE_TASK, rows="offline", is_frequent=True)
def mark_offline_gateways() -> Result:
    """Set silent gateways offline, but never for a delay of our own; and those whose connection
    broke and that did not come back. Those that say so are online."""
    queue, now = _queue(), time.time()
    bridges = [
        BridgeSign(is_ready=bridge.state == "ready", heard_at=bridge.at)
        for bridge in read_bridges(queue.redis)
    ]
    oldest = queue.oldest_pending_at()
    instant = choose_offline_instant(now=now, bridges=bridges, oldest_pending_at=oldest)
    if instant is None:
        return {"offline": 0, "skipped": 1}
    options = _options()
    until = {"online_until_s": now, "offline_until_s": instant - options.gone_after_s}
    statuses = read_statuses(queue.redis, **until)
    with _connect() as connection:
        mark_online(connection, _to_instants(statuses.online))
        offline = mark_offline(
            connection,
            at=datetime.fromtimestamp(instant, UTC),
            offline_after_s=options.offline_after_s,
            gone=_to_instants(statuses.offline),
        )
    forget_statuses(queue.redis, **until)
    return {"offline": offline}


def _to_instants(times_s: dict[str, float]) -> dict[str, datetime]:
    return {mac: datetime.fromtimestamp(at_s, UTC) for mac, at_s in times_s.items()}


@recorded_task(REFRESH_TASK, rows="hours", is_frequent=True)
def refresh_aggregates() -> Result:
    """Bring hours, days and months up to date."""
    with _connect_as_owner() as connection:
        try:
            refreshed = refresh.refresh_aggregates(connection, throttle=Throttle())
        except refresh.RefreshBusyError:
            return BUSY
    counts: Result = structs.asdict(refreshed)
    del counts["edition"]
    return counts


@recorded_task(EVALUATE_ALARMS_TASK, rows="changed", is_frequent=True)
def evaluate_alarms() -> Result:
    """Open and close alarms by the readings that came since the last run."""
    with _connect() as connection:
        try:
            return structs.asdict(_evaluator().run(connection, now=datetime.now(UTC)))
        except evaluate.EvaluationBusyError:
            return BUSY


@recorded_task(EVALUATE_RULES_TASK, rows="changed", is_frequent=True)
def evaluate_alarm_rules() -> Result:
    """Raise and clear the alarms of rules, and queue whom they tell."""
    system = SystemState(_queue(), _connect)
    return structs.asdict(evaluate_rules(now=datetime.now(UTC), read_system=system.read))


@recorded_task(DELIVER_ALARMS_TASK, rows="sent", is_frequent=True)
def deliver_alarms() -> Result:
    """Send e-mails and call webhooks about alarms. What failed is tried again, later each time."""
    return structs.asdict(deliver_due_alarms(now=datetime.now(UTC)))


@recorded_task(EVALUATE_FINDINGS_TASK, rows="found", is_frequent=True)
def evaluate_findings() -> Result:
    """Look at the hours that changed, and at devices that fell silent."""
    with _connect() as connection:
        try:
            return structs.asdict(findings.evaluate_findings(connection, now=datetime.now(UTC)))
        except findings.EvaluationBusyError:
            return BUSY


@recorded_task(SUMMARISE_TASK, rows="difference", is_frequent=True)
def summarise_pipeline() -> Result:
    """Add up what the admin's home shows: the ledger by the quarter of an hour, waiting dead
    letters by reason and gateway, the delivery report."""
    count_groups()
    with _connect() as connection:
        sum_quarters(connection)
        report = read_report(connection, _queue())
    names = ("received", "stored", "duplicate", "dead_lettered", "in_flight", "difference")
    result: Result = {name: getattr(report, name) for name in names}
    waiting = read_waiting()
    return {
        **result,
        "dead_letters_difference": report.dead_letters_difference,
        "waiting": sum(reason.dead_letters for reason in waiting),
        "waiting_groups": sum(reason.groups for reason in waiting),
    }


@recorded_task(PURGE_LEDGER_TASK)
def purge_ledger() -> Result:
    """Fold old ledger rows into daily sums; forget old runs, and notes of the fleet's changes."""
    before = datetime.now(UTC) - timedelta(days=_options().ledger_days)
    pending = [batch.id for batch in _queue().snapshot().unfinished]
    with _connect() as connection:
        folded = fold_ledger(connection, before=before, pending=pending)
        return {
            "folded": folded,
            "changes": purge_registry_changes(connection),
            "runs": purge_task_history(connection, keep_days=_options().history_days),
            "deliveries": purge_alarm_deliveries(connection, keep_days=_options().history_days),
        }


@recorded_task(APPLY_RETENTION_TASK, rows="rows")
def apply_retention(turn: dict[str, Any] | None = None) -> Result:
    """Drop and compress what is due. A long list is worked off in turns with the other tasks."""
    at = begin_turn(APPLY_RETENTION_TASK, turn)
    if at is None:
        return BUSY
    with _connect_as_owner() as connection:
        try:
            done = store_apply_retention(
                connection,
                options=_options().retention,
                now=datetime.now(UTC),
                budget_s=RETENTION_TURN_S,
            )
        except refresh.RefreshBusyError:
            wait_turn(app, APPLY_RETENTION_TASK, at, visibility_s=_visibility_s())
            return BUSY
    turn_done = end_turn(app, APPLY_RETENTION_TASK, at, is_left=bool(done.left))
    return {"rows": done.readings + done.aggregates, **structs.asdict(done), "turn": turn_done}


@recorded_task(VERIFY_TASK, rows="differences")
def verify_aggregates(
    so_far: dict[str, Any] | None = None, turn: dict[str, Any] | None = None
) -> Result:
    """Hold aggregates against readings, in turns with the other tasks. What differs is in the
    result, and `pipeline_status` reports it until a later run finds nothing."""
    at = begin_turn(VERIFY_TASK, turn)
    if at is None:
        return BUSY
    carried = None if so_far is None else convert(so_far, verification.Verification)
    with _connect_as_owner() as connection:
        try:
            found = verification.verify_aggregates(
                connection, so_far=carried, budget_s=VERIFY_TURN_S, examples=TOLD_DIFFERENCES
            )
        except verification.VerifyBusyError:
            wait_turn(app, VERIFY_TASK, at, visibility_s=_visibility_s(), so_far=so_far)
            return BUSY
    result: Result = to_builtins(found)
    is_left = found.next_slice is not None
    done = end_turn(app, VERIFY_TASK, at, is_left=is_left, so_far=result)
    return {**result, "turn": done}


@recorded_task(COMPARE_ZONES_TASK, rows="zones")
def compare_time_zones() -> Result:
    """Hold the time zones of Python against the database's. `pipeline_status` reports what differs
    until a later run finds nothing."""
    with _connect() as connection:
        found = [str(one) for one in compare_zones(connection, now=datetime.now(UTC))]
    if found:
        log.warning("time_zones_differ", zones=found, what_to_do=WHAT_TO_DO)
    shown = "; ".join(found[:TOLD_DIFFERENCES])
    problem = f"time zones differ, so days do: {shown}; {WHAT_TO_DO}"
    return {"zones": len(found), "problems": [problem] if found else []}


@recorded_task(CHECK_CERTIFICATES_TASK, rows="changed", is_frequent=True)
def check_certificates() -> Result:
    """Sign what was approved; tell the broker which certificates are revoked. `pipeline_status`
    reports those that end soon, until a later run finds none."""
    done = update_and_check(now=datetime.now(UTC))
    return {"changed": done.signed + done.written, **asdict(done)}


@recorded_task(SEND_REPORTS_TASK, rows="sent", is_frequent=True)
def send_reports() -> Result:
    """Send the reports of months that are over. What failed is tried again, later each time."""
    return structs.asdict(send_due_reports(now=datetime.now(UTC)))


@recorded_task(REPLAY_WAITING_TASK, rows="replayed", is_frequent=True)
def replay_waiting() -> Result:
    """Send again the dead letters whose gateway or device is registered and active by now."""
    replay = replay_dead_letters(find_waiting_dead_letters())
    waits = {"waits": replay.hindrance} if replay.hindrance else {}
    return {"replayed": replay.sent, **waits}  # the next run goes on


@shared_task(name=SEND_MAIL_TASK)
def send_mail(kind: str, language: str, tries: int = 1, **about: Any) -> None:
    """Write and send an e-mail that a page queued. What failed is tried again, later each time."""
    try:
        sent = write_mail(kind, language, **about)
    except Exception as error:
        log.warning("mail_not_sent", kind=kind, tries=tries, error=repr(error)[:500])
        if tries < MAIL_TRIES:
            again = {"kind": kind, "language": language, "tries": tries + 1, **about}
            wait_s = MAIL_WAIT_S * 2 ** (tries - 1)
            app.send_task(
                SEND_MAIL_TASK, kwargs=again, queue=MAINTENANCE_QUEUE, countdown=wait_s,
                kwargsrepr=HIDDEN,
            )  # fmt: skip
    else:
        log.info("mail_sent", kind=kind, emails=sent)
