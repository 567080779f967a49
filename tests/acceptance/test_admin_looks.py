"""The admin's own pages in a real browser: newcomers' tasks by clicks, and everybody's eyes."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse
from playwright.sync_api import Page, expect

from telemetry.core.batch import REFRESH_TASK
from telemetry.models import (
    DeadLetter,
    DeadLetterGroup,
    Gateway,
    GatewayEvent,
    SignInFailure,
    TaskRun,
)
from telemetry.store.operations.summaries import count_groups
from tests.acceptance.browser import open_page
from tests.acceptance.conftest import Pipeline
from tests.acceptance.test_admin import PASSWORD, open_admin
from tests.acceptance.test_dashboard import list_forms, look
from tests.integration.store.ingest import claimed, store
from tests.messages import MAC, make_message
from workers.schedule import ensure_schedule

pytestmark = pytest.mark.acceptance

NEW_MAC = "02:77:00:00:00:01"


@pytest.fixture
def pages(empty_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Addresses of pages that have something to show."""
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)
    now = datetime.now(UTC)
    times = [(now - timedelta(minutes=minute)).isoformat() for minute in range(3)]
    unknown = [make_message(mac=NEW_MAC, valor=n, at=at) for n, at in enumerate(times)]
    wrong = [make_message(unit="kwh", at=times[0])]
    store(empty_pipeline.connection, *unknown, *wrong, batch=claimed(received_at=now))
    gateway = Gateway.objects.get(mac=MAC)
    silent_at = now - timedelta(hours=2)
    Gateway.objects.filter(pk=gateway.pk).update(last_seen=silent_at, is_online=False)
    GatewayEvent.objects.create(gateway=gateway, kind="offline", at=silent_at)
    count_groups()
    ensure_schedule()
    error = {"error_at": now, "error": "OperationalError('x')", "duration_ms": 12}
    TaskRun.objects.filter(name=REFRESH_TASK).update(started_at=now, **error)
    SignInFailure.objects.create(
        username="ana", ip_address="192.0.2.1", user_agent="Firefox", failures_since_start=10,
        http_accept="", path_info="/login/", get_data="", post_data="",
    )  # fmt: skip
    group = DeadLetterGroup.objects.get(reason="unit_mismatch")
    [dead_letter] = DeadLetter.objects.filter(reason="unit_mismatch")
    opened = reverse("admin:telemetry_deadlettergroup_open", args=[group.pk])
    return {
        "home": "/admin/?all=1",
        "workbench": reverse("admin:telemetry_deadlettergroup_changelist"),
        "group": f"{opened}?dry_run=1",
        "register": reverse("admin:telemetry_deadlettergroup_register", args=[NEW_MAC]),
        "edit": reverse("admin:telemetry_deadletter_edit", args=[dead_letter.pk]),
        "why": reverse("admin:telemetry_gateway_why", args=[gateway.pk]),
        "import": "/admin/telemetry/gateway/import-csv/",
        "changes": reverse("admin:auditlog_logentry_changelist"),
        "schedules": reverse("admin:telemetry_taskrun_changelist"),
        "run-now": reverse("admin:telemetry_taskrun_run_now", args=[quote(REFRESH_TASK)]),
        "locks": reverse("admin:telemetry_signinfailure_changelist"),
    }


def test_it_shows_its_pages_to_everybody(
    web: str, pages: dict[str, str], empty_pipeline: Pipeline
) -> None:
    wrong: list[str] = []
    for language, theme, (width, height) in list_forms():
        empty_pipeline.connection.execute("UPDATE telemetry_user SET language = ''")
        with open_admin(web) as signed_in:
            state = signed_in.context.storage_state()
        empty_pipeline.connection.execute("UPDATE telemetry_user SET language = %s", [language])
        with open_page(
            web, viewport={"width": width, "height": height}, color_scheme=theme,
            storage_state=state,
        ) as page:  # fmt: skip
            for name, address in pages.items():
                page.goto(address)
                wrong += look(page, f"admin-{name} {language} {theme} {width}")
    assert not wrong, "\n".join(wrong)


def test_it_takes_few_clicks_to_register_a_gateway_and_to_ask_why_there_is_no_data(
    web: str, pages: dict[str, str], empty_pipeline: Pipeline
) -> None:
    with open_admin(web) as page:
        clicks = Clicks(page)
        clicks.press("Why no data?")
        expect(page.locator(".answer")).to_contain_text("receives nothing")
        assert clicks.count == 1

        page.goto("/admin/")
        clicks = Clicks(page)
        clicks.press(f"Register {NEW_MAC}…")
        page.get_by_label("Account").select_option(label="Conta Teste Telemetria")
        clicks.press(f"Register {NEW_MAC}", role="button")
        expect(page.get_by_text("What waited for it is being stored.")).to_be_visible()
        assert clicks.count == 2  # and the account, which is nowhere in the message

        page.goto("/admin/")
        clicks = Clicks(page)
        clicks.press("Dead letters", within="#nav-sidebar-apps")
        clicks.press("Open group")
        page.get_by_role("textbox", name="Why").fill("test bench")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_text("1 dead letter discarded.")).to_be_visible()
        clicks.press("Undo", role="button")
        expect(page.get_by_text("1 dead letter pending again.")).to_be_visible()
    expected = {("unknown_gateway", "pending"), ("unit_mismatch", "pending")}
    assert set(DeadLetter.objects.values_list("reason", "state")) == expected


class Clicks:
    """Presses what it is told, and counts."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.count = 0

    def press(self, name: str, *, role: str = "link", within: str = "body") -> None:
        self._page.locator(within).get_by_role(role, name=name).first.click()  # type: ignore[arg-type]
        self.count += 1
