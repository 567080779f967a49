"""`/health`: whether this process can serve. Needs no login and tells no secret."""

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import RedisError

from config.queue import connect_redis


@require_safe
@never_cache
def health(_request: HttpRequest) -> JsonResponse:
    """200 when database and Redis answer, else 503 with the reason in words."""
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
    body = {"status": "unhealthy" if problems else "ok", "problems": problems}
    return JsonResponse(body, status=503 if problems else 200)
