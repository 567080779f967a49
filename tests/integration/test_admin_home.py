"""The admin's home: six figures, what needs a person, 24 hours; for those who may see them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from telemetry.admin.home.chart import BARS, make_chart, round_up
from telemetry.admin.sidebar import GROUPS
from telemetry.core.batch import REFRESH_TASK
from telemetry.models import DeadLetterGroup, Gateway, GatewayEvent, LedgerQuarter, TaskRun
from telemetry.store.db.connection import Connection
from tests.integration.store.ingest import claimed, store
from tests.messages import make_message
from workers.maintenance import summarise_pipeline

pytestmark = pytest.mark.integration

MAC = "aa:bb:cc:dd:ee:ff"
NEW_MAC = "02:77:00:00:00:01"


def log_in(**fields: Any) -> Client:
    user = get_user_model().objects.create_user("somebody", password="x", is_staff=True, **fields)
    client = Client()
    client.force_login(user)
    return client


def test_it_says_whether_all_is_accounted_for_and_what_needs_a_person(
    environ: dict[str, str], connection: Connection, fleet: None, queue: Any
) -> None:
    client = log_in(is_superuser=True)
    empty = client.get("/admin/").content.decode()
    assert "Whether all messages are accounted for is not counted yet. Nothing needs you." in empty
    assert "They were never computed" in empty

    now = datetime.now(UTC)
    at = now.isoformat()
    messages = [make_message(at=at), *(make_message(mac=NEW_MAC, valor=n, at=at) for n in range(3))]
    queue.put(messages, source="bridge")
    store(connection, *messages, batch=claimed(received_at=now))
    for batch_id in queue.redis.zrange("ingest:pending", 0, -1):
        queue.redis.zrem("ingest:pending", batch_id)
    Gateway.objects.filter(mac=MAC).update(last_seen=now - timedelta(hours=2), is_online=False)
    gateway = Gateway.objects.get(mac=MAC)
    GatewayEvent.objects.create(gateway=gateway, kind="offline", at=now - timedelta(hours=1))
    TaskRun.objects.create(name=REFRESH_TASK, success_at=now)
    gateway.name = "Renamed"
    gateway.save()
    summarise_pipeline()
    group = DeadLetterGroup.objects.get()
    assert (group.reason, group.mac, group.dead_letters, group.messages) == (
        "unknown_gateway", NEW_MAC, 3, 3,
    )  # fmt: skip
    assert [quarter.messages for quarter in LedgerQuarter.objects.all()] == [4]

    page = client.get("/admin/").content.decode()
    for text in (
        "things need you", f"Register {NEW_MAC}", "→ <b>Renamed</b>", "stopped sending",
        "1 gateway is not registered. The largest sent 3 messages so far.", "Unregistered gateway",
        "4 messages and 3 dead letters in 24 hours", "Fresh",
    ):  # fmt: skip
        assert text in page, text
    for title, entries in GROUPS:
        assert str(title) in page
        assert all(f">{entry.title}<" in page for entry in entries), title

    TaskRun.objects.filter(name="telemetry.summarise_pipeline").update(
        success_at=now - timedelta(hours=1)
    )
    assert "accounted for is not known since" in client.get("/admin/").content.decode()
    run = TaskRun.objects.get(name="telemetry.summarise_pipeline")
    run.result["difference"], run.success_at = 12, now
    run.save()
    page = client.get("/admin/").content.decode()
    assert "12 messages are not accounted for." in page
    assert page.index("Difference") < page.index("Gateways online")


def test_it_shows_figures_of_the_system_to_administrators_alone(
    environ: dict[str, str], connection: Connection, fleet: None
) -> None:
    client = log_in()
    page = client.get("/admin/")
    assert page.status_code == 200
    assert "Gateways online" not in page.content.decode()
    user = get_user_model().objects.get()
    user.user_permissions.add(Permission.objects.get(codename="view_gateway"))
    user.user_permissions.add(Permission.objects.get(codename="view_batch"))
    page = client.get("/admin/")
    assert "Gateways online" in page.content.decode()
    assert "Messages a minute" not in page.content.decode()


def test_it_draws_24_hours_and_a_quarter_that_has_begun_by_its_rate() -> None:
    now = datetime(2026, 11, 3, 14, 35, tzinfo=UTC)
    start = now - timedelta(minutes=5)
    chart = make_chart([LedgerQuarter(start=start, messages=500, dead_letters=3)], now=now)
    assert len(chart.bars) == BARS
    assert (chart.most, chart.half, chart.most_dead) == (100, 50, 4)
    assert chart.line.endswith(" 0.0")  # 500 in five minutes are 100 a minute
    assert chart.hours[0].messages == chart.messages == 500
    assert make_chart([], now=now).most == 2
    assert [round_up(value) for value in (0, 2, 3, 11, 41, 40_001)] == [2, 2, 4, 20, 100, 100_000]
