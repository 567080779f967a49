"""Health for those that ask without a login: none of it tells a secret or names an account.

| address | says | for |
|---|---|---|
| `/healthz` | whether this process answers | what restarts containers |
| `/readyz`, `/health` | whether it can serve: database, Redis, schema | load balancers |
| `/health/pipeline` | whether messages are stored | alarms: a new web process would not help |
| `/health/pending` | how many messages are still to be stored | what scales the pool "ingest" |
"""

from functools import cache

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
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
def alive(_request: HttpRequest) -> JsonResponse:
    """200: the process answers. It asks no server."""
    return _respond([])


@require_safe
@never_cache
def ready(_request: HttpRequest) -> JsonResponse:
    """200 when database and Redis answer and the schema is this version's, else 503 with the
    reasons."""
    problems = []
    try:
        missing = _list_missing_migrations()
    except (DatabaseError, psycopg.Error):
        problems.append("the database does not answer")
    else:
        if missing:
            problems.append(
                f"the schema is older than this version, it lacks {missing[0]}: run "
                "`python manage.py migrate`"
            )
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


def _list_missing_migrations() -> list[str]:
    """Names in their order. A newer schema is none of this version's business."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app || '.' || name FROM django_migrations")
        applied = {name for (name,) in cursor.fetchall()}
    return [name for name in _list_migrations() if name not in applied]


@cache
def _list_migrations() -> list[str]:
    """Every migration of this version, by app and name, what others build on first."""
    graph = MigrationLoader(None).graph
    leaves = graph.leaf_nodes("telemetry")
    return [".".join(each) for leaf in leaves for each in graph.forwards_plan(leaf)]


def _respond(problems: list[str]) -> JsonResponse:
    body = {"status": "unhealthy" if problems else "ok", "problems": problems}
    return JsonResponse(body, status=503 if problems else 200)
