"""The state of the pipeline: bridges, pools, beat, queues, and its problems as text."""

import json
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from django.db import DatabaseError
from django.utils.translation import gettext_noop
from msgspec import Struct, field

from config.options import StatusOptions
from telemetry.core.batch import BEAT_KEY, HELD_KEY, INGEST_QUEUE, MAINTENANCE_QUEUE, REQUEUE_TASK
from telemetry.queue.alarm import read_alarm
from telemetry.queue.batches import BatchQueue
from telemetry.queue.bridges import BridgeState, read_bridges
from telemetry.queue.levels import read_levels
from telemetry.queue.limits import list_limited
from telemetry.queue.pings import Pool, ask_pools
from telemetry.queue.pools import PoolProgress, read_pools
from telemetry.queue.tasks import count_claimed, count_waiting

DROP_ALARM_S = 86_400.0
REDIS_FULL_PERCENT = 100.0  # of maxmemory: from there on it refuses writes
NEEDED_TASKS = {REQUEUE_TASK: gettext_noop("a batch whose task was lost is never stored")}
"""The tasks that correct totals depend on, and how."""


LIMITED_S = 600
"""For so long the status tells of gateways above their limits."""


class QueueDepth(Struct):
    """Tasks in a queue: waiting for a worker, and held by one."""

    waiting: int
    unacked: int


class Bridge(Struct):
    """A running bridge."""

    client_id: str
    state: str
    age_s: float


class PoolWork(Struct):
    """What a pool last did. `progress_age_s`: since its last stored batch; None: none in a day.
    `waits`: why its batches wait; empty when they do not. `retries`: waits so far."""

    name: str
    progress_age_s: float | None
    waits: str
    retries: int


class Beat(Struct):
    """The beat that holds the lock. `age_s` is None when there is none."""

    ok: bool
    age_s: float | None


class TaskAge(Struct):
    """A task that beat sends. `success_age_s`: since its last success; None: it never had one.

    `overdue_s`: since the second run after that success was due; negative while it is not.
    `differences`: rows that the last run found to be other than the readings say; `problems`: what
    else it found wrong. `is_disabled`: an administrator switched it off, so beat does not send it;
    nor does it where the task `has_schedule` not: no entry, or none that comes again and again.
    """

    name: str
    success_age_s: float | None
    overdue_s: float
    error: str = ""
    differences: int = 0
    problems: list[str] = field(default_factory=list)
    is_disabled: bool = False
    has_schedule: bool = True


class PipelineStatus(Struct):
    """What `manage.py pipeline_status` prints. `problems` need action, `notes` do not."""

    bridges: list[Bridge]
    pools: list[Pool]
    beat: Beat
    queues: dict[str, QueueDepth]
    pending_batches: int
    oldest_pending_s: float
    redis_percent: float = 0.0  # of its maxmemory; 0: it has none
    work: list[PoolWork] = field(default_factory=list)
    held: str = ""
    held_batches: int = 0
    broker_dropped: int = 0
    broker_dropped_age_s: float | None = None
    broker_lost_sessions: int = 0
    broker_lost_age_s: float | None = None
    broker_denials: dict[str, int] = field(default_factory=dict)
    broker_denied_age_s: float | None = None
    tasks: list[TaskAge] | None = None
    healthy: bool = True
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_status(
    queue: BatchQueue,
    app: Celery,
    *,
    options: StatusOptions,
    bridges_wanted: int = 1,
    pools_wanted: int = 2,
    read_tasks: Callable[[], list[TaskAge]] | None = None,
    is_starting: bool = False,
) -> PipelineStatus:
    """Ask Redis and, unless no pool is wanted, the workers, which takes about a second.

    `is_starting` leaves out what the broker lost and refused within the last day.
    `read_tasks` asks the database how the scheduled tasks ran; one that is away is a problem.
    Raises `redis.RedisError`.
    """
    now = time.time()
    redis = queue.redis
    oldest = queue.oldest_pending_at()
    dropped = queue.read_dropped()
    events = queue.read_broker_events()
    status = PipelineStatus(
        bridges=[_bridge(state, now) for state in read_bridges(redis)],
        pools=ask_pools(app, redis, wanted=pools_wanted) if pools_wanted else [],
        beat=_beat(redis.get(BEAT_KEY + "active"), now),
        queues={
            name: QueueDepth(count_waiting(redis, name), count_claimed(redis, name))
            for name in (INGEST_QUEUE, MAINTENANCE_QUEUE)
        },
        pending_batches=int(redis.zcard("ingest:pending")),
        oldest_pending_s=round(now - oldest, 1) if oldest else 0.0,
        redis_percent=round(read_levels(redis).memory_percent, 1),
        work=[_work(pool, now) for pool in read_pools(redis)],
        held=read_alarm(redis),
        held_batches=int(redis.zcard(HELD_KEY)),
        broker_dropped=dropped.messages,
        broker_dropped_age_s=round(now - dropped.at, 1) if dropped.messages else None,
        broker_lost_sessions=events.lost_sessions,
        broker_lost_age_s=round(now - events.lost_at, 1) if events.lost_at else None,
        broker_denials=events.denials,
        broker_denied_age_s=round(now - events.denied_at, 1) if events.denied_at else None,
    )
    status.problems = find_problems(
        status, options=options, bridges_wanted=bridges_wanted, pools_wanted=pools_wanted
    )
    if not is_starting:
        status.problems += find_broker_losses(status)
        status.problems += find_limited(list_limited(redis, since_s=now - LIMITED_S))
    if read_tasks is not None:
        try:
            status.tasks = read_tasks()
        except DatabaseError:
            status.problems.append("the database does not answer: how tasks ran is unknown")
        else:
            status.problems += find_overdue(status.tasks, grace_s=options.task_grace_s)
            status.problems += find_differences(status.tasks)
            _check_disabled(status, status.tasks)
    status.notes += find_failed_handshakes(status.broker_denials)
    status.healthy = not status.problems
    return status


def find_failed_handshakes(denials: dict[str, int]) -> list[str]:
    """What the broker refused before it knew a name. No problem: an open port sees such every
    day."""
    kind = "failed_handshake/"
    failed = [f"{name.removeprefix(kind)}: {n}" for name, n in denials.items() if kind in name]
    return [f"TLS handshakes with the broker that failed: {', '.join(failed)}"] if failed else []


def find_limited(macs: list[str]) -> list[str]:
    """The problem of gateways whose messages were rejected for their rate."""
    if not macs:
        return []
    shown = ", ".join(macs[:5]) + (", ..." if len(macs) > 5 else "")
    return [
        f"messages of {len(macs)} gateways were rejected (rate_limited) in the last "
        f"{LIMITED_S // 60} minutes: {shown}; find out why they send so much, or raise "
        "LIMIT_GATEWAY_RATE or LIMIT_ACCOUNT_RATE"
    ]


def find_problems(
    status: PipelineStatus, *, options: StatusOptions, bridges_wanted: int, pools_wanted: int
) -> list[str]:
    """Problems as text."""
    problems = []
    if status.redis_percent >= REDIS_FULL_PERCENT:
        problems.append(
            f"Redis is {status.redis_percent:.0f}% full: nothing new is taken until the ingest "
            "pool has made room; to speed that up, start more workers or raise maxmemory"
        )
    problems += [
        f"bridge {bridge.client_id}: {bridge.state}"
        for bridge in status.bridges
        if bridge.state not in ("ready", "retiring")
    ]
    ready = sum(bridge.state == "ready" for bridge in status.bridges)
    if ready < bridges_wanted:
        problems.append(f"{ready} of {bridges_wanted} bridges ready")
    names = [pool.name for pool in status.pools if pool.ok]
    if len(names) < pools_wanted:
        answering = ", ".join(names) or "none"
        problems.append(f"{len(names)} of {pools_wanted} worker pools answer ({answering})")
    problems += [
        f"pool {pool.name} does not answer; last sign of life {pool.seen_age_s or 0:.0f} s ago"
        for pool in status.pools
        if not pool.ok
    ]
    if not status.beat.ok:
        problems.append("no beat holds the lock: nothing is requeued, swept or refreshed")
    if status.held:
        problems.append(
            f"the reject guard has put {status.held_batches} batches aside: {status.held}; what "
            "others send is stored; when the rejections are right: manage.py resume_ingest"
        )
    return problems + _find_late(status, options)


def find_broker_losses(status: PipelineStatus) -> list[str]:
    """What the broker dropped, lost and refused within the last day."""

    def is_recent(age_s: float | None) -> bool:
        return age_s is not None and age_s < DROP_ALARM_S

    problems = []
    if is_recent(status.broker_dropped_age_s):
        problems.append(
            f"the broker dropped {status.broker_dropped} messages that it had acknowledged, the "
            f"last {status.broker_dropped_age_s:.0f} s ago: its queue was full "
            "(max_queued_messages)"
        )
    if is_recent(status.broker_lost_age_s):
        problems.append(
            f"the broker had lost the session of a bridge {status.broker_lost_sessions} times, the "
            f"last {status.broker_lost_age_s:.0f} s ago: what waited in it is lost"
        )
    if is_recent(status.broker_denied_age_s):
        denied = (f"{name} {n}" for name, n in status.broker_denials.items() if "denied" in name)
        problems.append(
            "the broker denied what clients asked for, the last time "
            f"{status.broker_denied_age_s:.0f} s ago ({', '.join(denied)}): its log names "
            "clients and topics"
        )
    return problems


def find_overdue(tasks: list[TaskAge], *, grace_s: float) -> list[str]:
    """Tasks of which two runs in a row should have succeeded and did not."""
    problems = []
    for task in tasks:
        if task.overdue_s <= grace_s:
            continue
        since = "ever" if task.success_age_s is None else f"for {task.success_age_s:.0f} s"
        why = f"; its last error: {task.error.splitlines()[0][:200]}" if task.error else ""
        problems.append(f"task {task.name} has not succeeded {since}{why}")
    return problems


def find_differences(tasks: list[TaskAge]) -> list[str]:
    """Aggregates that the last verification found to be wrong."""
    return [
        f"task {task.name} found {task.differences} rows of aggregates that are not as the "
        "readings say: manage.py verify_aggregates lists them, --repair computes them again"
        for task in tasks
        if task.differences
    ] + [f"task {task.name}: {problem}" for task in tasks for problem in task.problems]


def _check_disabled(status: PipelineStatus, tasks: list[TaskAge]) -> None:
    """Tasks that were switched off: whoever did so may have forgotten."""
    for task in tasks:
        if task.is_disabled and task.name in NEEDED_TASKS:
            status.problems.append(
                f"task {task.name} is disabled: {NEEDED_TASKS[task.name]}; the admin enables it "
                "under Schedules"
            )
        elif not task.has_schedule:
            status.problems.append(
                f"task {task.name} has no schedule: {NEEDED_TASKS[task.name]}; the admin sets an "
                "interval under Schedules, or a start of beat does when the entry is deleted"
            )
        elif task.is_disabled:
            status.notes.append(f"task {task.name} is disabled")


def _find_late(status: PipelineStatus, options: StatusOptions) -> list[str]:
    """What is late or stuck. Nothing is when nothing is pending."""
    problems = []
    if status.oldest_pending_s > options.oldest_pending_s:
        problems.append(
            f"the oldest of {status.pending_batches} batches is pending for "
            f"{status.oldest_pending_s:.0f} s; the limit is {options.oldest_pending_s} s"
        )
    if status.oldest_pending_s <= options.stuck_after_s:
        return problems
    for pool in status.work:
        if pool.progress_age_s is not None and pool.progress_age_s <= options.stuck_after_s:
            continue
        since = "a day" if pool.progress_age_s is None else f"{pool.progress_age_s:.0f} s"
        why = f"; it waits: {pool.waits} ({pool.retries} retries)" if pool.waits else ""
        problems.append(f"pool {pool.name} has stored nothing for {since}{why}")
    return problems


def _bridge(state: BridgeState, now: float) -> Bridge:
    return Bridge(state.client_id, state.state, round(now - state.at, 1))


def _work(pool: PoolProgress, now: float) -> PoolWork:
    return PoolWork(
        pool.name,
        round(now - pool.progress_at, 1) if pool.progress_at else None,
        pool.reason if pool.is_waiting else "",
        pool.retries,
    )


def _beat(sign: Any, now: float) -> Beat:
    if sign is None:
        return Beat(ok=False, age_s=None)
    return Beat(ok=True, age_s=round(now - float(json.loads(sign)["at"]), 1))
