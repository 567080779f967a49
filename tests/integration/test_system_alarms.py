"""Each alarm about the system: its cause is brought about, and its end; administrators hear of both
once, by e-mail and webhook."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from telemetry.alarms.deliver import deliver_alarms
from telemetry.alarms.rules import evaluate_rules
from telemetry.alarms.system import SystemState
from telemetry.core.batch import COUNTERS_KEY, REFRESH_TASK
from telemetry.models import Alarm, AlarmRule, Certificate, TaskRun, User, Webhook
from telemetry.queue.alarm import clear_alarm, raise_alarm
from telemetry.queue.batches import BatchQueue
from telemetry.store.db.connection import Connection
from tests.integration.test_alarm_rules import make_rule, sinks, site
from tests.integration.web.site import make_account, make_gateway

__all__ = ["sinks", "site"]  # fixtures
pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("as_owner")]

MINUTE = timedelta(minutes=1)
LATER = 61  # minutes: a rule about certificates is looked at once an hour
Cause = tuple[dict[str, Any], Callable[[], Any], Callable[[], Any], str]


def list_causes(queue: BatchQueue, now: datetime) -> dict[str, Cause]:
    """By kind: the rule's settings, what brings it about, what ends it, what the alarm says."""

    def end_soon(days: float) -> None:
        Certificate.objects.update_or_create(
            serial="1",
            defaults={
                "gateway": gateway, "common_name": gateway.mac, "pem": "", "not_before": now,
                "not_after": now + timedelta(days=days),
            },
        )  # fmt: skip

    def refresh(at: datetime) -> None:
        TaskRun.objects.update_or_create(name=REFRESH_TASK, defaults={"success_at": at})

    def limit_disk(percent: int) -> None:
        AlarmRule.objects.filter(kind="disk").update(limit=percent)

    gateway = make_gateway(make_account("Alpha"))
    redis = queue.redis
    return {
        # A loss has no end of its own: it is told for ten minutes.
        "drops": (
            {},
            lambda: queue.note_dropped(7),
            lambda: None,
            "max_queued_messages",
        ),
        "difference": (
            {},
            lambda: redis.hincrby(COUNTERS_KEY, "received_messages", 3),
            lambda: redis.hincrby(COUNTERS_KEY, "received_messages", -3),
            "messages",
        ),
        "guard": (
            {},
            lambda: raise_alarm(redis, reason="of 14 gateways nothing is accepted"),
            lambda: clear_alarm(redis),
            "of 14 gateways nothing is accepted",
        ),
        "aggregates": (
            {"limit": 10},
            lambda: refresh(now - 30 * MINUTE),
            lambda: refresh(now + 2 * LATER * MINUTE),
            "",
        ),
        "certificate": ({"limit": 14}, lambda: end_soon(3), lambda: end_soon(90), gateway.mac),
        "disk": ({"limit": 0}, lambda: None, lambda: limit_disk(100), "/"),
    }


@pytest.mark.parametrize(
    "kind", ["drops", "difference", "guard", "aggregates", "certificate", "disk"]
)
def test_it_is_told_once_and_ends_once(
    site: Any, connection: Connection, queue: BatchQueue, kind: str
) -> None:
    mail, http = site
    now = datetime.now(UTC)
    settings, bring_about, end, detail = list_causes(queue, now)[kind]
    User.objects.create_superuser("root", email="root@example.com", language="en")
    webhook = Webhook.objects.create(name="H", url=http.url, secret="s" * 32)
    rule = make_rule(None, kind, webhook=webhook, **settings)
    state = SystemState(queue, lambda: nullcontext(connection))

    def look(minutes: int) -> tuple[int, int]:
        at = now + minutes * MINUTE
        done = evaluate_rules(now=at, read_system=state.read)
        assert done.problems == []
        deliver_alarms(now=at)
        return done.raised, Alarm.objects.filter(rule=rule, closed_at__isnull=True).count()

    if kind != "disk":
        assert look(-LATER) == (0, 0), "all is well"
    bring_about()
    assert look(1) == (1, 1)
    assert look(2)[0] == 0
    end()
    look(LATER)
    assert look(2 * LATER) == (0, 0)
    alarm = Alarm.objects.get(rule=rule)
    assert (alarm.detail, alarm.ending) == (detail, "cleared")
    assert [email["To"] for email in mail.received] == ["root@example.com"] * 2
    assert [posted.path for posted in http.received] == ["/hook?a=b"] * 2
    assert detail in mail.received[0].get_content()
