"""`python -m tests.bench.ask refresh [HOUR]|findings|queries|plans|members COUNT|admin
GATEWAYS LETTERS`: what benches ask of the application, in a process with its settings. Prints
JSON."""

import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import django

from tests.bench.admin import fill
from tests.bench.results import percentiles

TIMES = 200


def refresh(hour: str = "") -> dict[str, float]:
    """Bring the aggregates up to date; with pauses as scheduled, when this hour is the current."""
    from config.env import read_options
    from config.options import DatabaseOptions
    from telemetry.store.aggregates.refresh import refresh_aggregates
    from telemetry.store.aggregates.throttle import Throttle
    from telemetry.store.db.connection import open_connection

    url = read_options(DatabaseOptions).url
    throttle = Throttle() if hour else None
    if throttle is not None:
        throttle.hour = datetime.fromisoformat(hour)
    started_s = time.monotonic()
    with open_connection(url, name="bench", statement_timeout_s=7_200) as connection:
        done = refresh_aggregates(connection, throttle=throttle)
    return {"seconds": time.monotonic() - started_s, "hours": done.hours, "days": done.days}


def compute_findings() -> dict[str, float]:
    """Compute the findings of what changed."""
    from config.env import read_options
    from config.options import DatabaseOptions
    from telemetry.store.db.connection import open_connection
    from telemetry.store.findings.evaluate import evaluate_findings

    url = read_options(DatabaseOptions).url
    started_s = time.monotonic()
    with open_connection(url, name="bench", statement_timeout_s=7_200) as connection:
        done = evaluate_findings(connection, now=datetime.now(UTC))
    return {"seconds": time.monotonic() - started_s, "hours": done.hours}


def ask() -> dict[str, float]:
    """The time that pages wait for their queries: median and 95th percentile, milliseconds."""
    return {
        f"{name}, {point}, ms": value
        for name, question in list_questions().items()
        for point, value in _measure_ms(question).items()
    }


def explain() -> dict[str, str]:
    """How the server answers each of them: the plan with its times and buffers."""
    from django.db import connection

    plans = {}
    for name, question in list_questions().items():
        seen: list[tuple[str, Any]] = []

        def note(execute: Any, sql: str, params: Any, *rest: Any, seen: Any = seen) -> Any:
            seen.append((sql, params))
            return execute(sql, params, *rest)

        question()  # the pages it needs are read by then, as in the measurement
        with connection.execute_wrapper(note):
            question()
        with connection.cursor() as cursor:
            sql, params = seen[-1]
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", params)
            plans[name] = "\n".join(line for (line,) in cursor.fetchall())
    return plans


def enter_members(count: str) -> dict[str, Any]:
    """Have so many new members of every account, signed in: their `sessions`, and the `places`
    (account, gateway, device) by the name of the account."""
    from django.db.models import F
    from django.test import Client

    from telemetry.models import Account, Device, Membership, User

    users = User.objects.bulk_create(User(username=f"member-{n}") for n in range(int(count)))
    accounts = list(Account.objects.order_by("name"))
    Membership.objects.bulk_create(
        Membership(user=user, account=account, role=Membership.Role.OWNER)
        for user in users
        for account in accounts
    )
    sessions = []
    for user in users:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        sessions.append(client.cookies["sessionid"].value)
    places = Device.objects.order_by("pk").values("account", "gateway", device=F("pk"))
    return {
        "sessions": sessions,
        "places": {row.name: list(places.filter(account=row)) for row in accounts},
    }


def list_questions() -> dict[str, Callable[[], object]]:
    """The queries of pages, each for an account or a device by chance."""
    from telemetry.models import Device, MonthlyConsumption
    from telemetry.store.reads.account_totals import (
        find_top_consumers,
        read_account_days,
        read_account_months,
    )
    from telemetry.store.reads.chart_series import read_day_series, read_hour_series

    chance, today = random.Random(7), datetime.now(UTC).date()
    pairs: list[tuple[int, int]] = list(Device.objects.values_list("account_id", "pk"))
    month, until = today - timedelta(days=30), today + timedelta(days=1)
    year = today - timedelta(days=365)
    since = datetime.now(UTC) - timedelta(days=7)

    def pick() -> tuple[int, int]:
        return chance.choice(pairs)

    def hours() -> None:
        account_id, device_id = pick()
        read_hour_series(account_id, device_ids=[device_id], since=since, until=datetime.now(UTC))

    def days() -> None:
        account_id, device_id = pick()
        read_day_series(account_id, device_ids=[device_id], first=month, until=until)

    def months() -> None:
        account_id, device_id = pick()
        list(
            MonthlyConsumption.objects.filter(
                account_id=account_id, device_id=device_id, month__gte=year
            )
        )

    return {
        "hours of a device in 7 days": hours,
        "days of a device in a month": days,
        "months of a device": months,
        "months of an account of 1,000 devices": lambda: read_account_months(
            pick()[0], first=year, until=until
        ),
        "days of an account of 1,000 devices": lambda: read_account_days(
            pick()[0], first=month, until=until
        ),
        "top consumers of an account in a month": lambda: find_top_consumers(
            pick()[0], unit="kWh", first=month, until=until
        ),
    }


def _measure_ms(question: Callable[[], object]) -> dict[str, float]:
    times = []
    for _ in range(TIMES):
        started_s = time.perf_counter()
        question()
        times.append((time.perf_counter() - started_s) * 1000)
    return percentiles(times)


ANSWERS: dict[str, Callable[..., object]] = {
    "refresh": refresh,
    "findings": compute_findings,
    "queries": ask,
    "plans": explain,
    "members": enter_members,
    "admin": fill,
}

if __name__ == "__main__":
    django.setup()
    print(json.dumps(ANSWERS[sys.argv[1]](*sys.argv[2:])))
