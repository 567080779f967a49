"""`/health`: whether this process can serve. `/health/pipeline`: whether messages are stored.
`/health/pending`: how many are still to be stored.

None needs a login; none tells a secret or names an account. The second is for alarms, not for what
restarts containers: a new web process would not help the pipeline. The third is for what scales
the pool "ingest".
"""

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import RedisError

from config.celery import app
from config.queue import connect_redis
from telemetry.queue.batches import BatchQueue
from telemetry.queue.levels import read_levels
from telemetry.store.db.account_scope import open_every_account
from telemetry.store.operations.pipeline_status import read_status
from telemetry.store.operations.task_ages import read_task_ages


@require_safe
@never_cache
def health(_request: HttpRequest) -> JsonResponse:
    """200 when database and Redis answer, else 503 with the reasons."""
    problems = []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, psycopg.Error):
        problems.append("the database does not answer")
    try:
        with connect_redis(settings.OPTIONS.redis) as redis:
            redis.ping()
    except (RedisError, OSError):
        problems.append("Redis does not answer")
    return _respond(problems)


@require_safe
@never_cache
def pipeline_health(_request: HttpRequest) -> JsonResponse:
    """200 when bridges and beat live and nothing is late or overdue, else 503 with the reasons."""
    open_every_account()
    try:
        with connect_redis(settings.OPTIONS.redis) as redis:
            problems = read_status(
                BatchQueue(redis),
                app,
                options=settings.OPTIONS.status,
                pools_wanted=0,
                read_tasks=read_task_ages,
            ).problems
    except (RedisError, OSError):
        problems = ["Redis does not answer"]
    return _respond(problems)


@require_safe
@never_cache
def pending_health(_request: HttpRequest) -> JsonResponse:
    """Messages that are received and not stored, those in the hands of workers included."""
    try:
        with connect_redis(settings.OPTIONS.redis) as redis:
            levels = read_levels(redis)
    except (RedisError, OSError):
        return _respond(["Redis does not answer"])
    return JsonResponse({"pending_messages": levels.pending_messages})


def _respond(problems: list[str]) -> JsonResponse:
    body = {"status": "unhealthy" if problems else "ok", "problems": problems}
    return JsonResponse(body, status=503 if problems else 200)
