"""MQTT in, admin out: what an administrator sees and does, in a real browser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.urls import NoReverseMatch, reverse
from playwright.sync_api import Page, expect

from tests.acceptance.browser import open_page
from tests.acceptance.conftest import Gateways, Pipeline, fetch
from tests.acceptance.processes import wait_until
from tests.messages import TOPIC, make_payload

pytestmark = pytest.mark.acceptance

NEW_MAC = "02:77:00:00:00:01"
USER, PASSWORD = "administrator", "a long pass phrase 1"


@pytest.fixture
def page(web: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A browser that is logged in."""
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)
    with open_admin(web) as opened:
        yield opened


@contextmanager
def open_admin(url: str) -> Iterator[Page]:
    """The admin's first page, of an administrator with the password of the environment."""
    call_command("ensure_admin", username=USER, verbosity=0)
    with open_page(url) as opened:
        opened.goto("/admin/")
        opened.get_by_label("Username").fill(USER)
        opened.get_by_label("Password").fill(PASSWORD)
        opened.get_by_role("button", name="Sign in").click()
        expect(opened).to_have_title("Site administration | TDS Telemetry")
        yield opened


@pytest.fixture
def nightly(pipeline: Pipeline) -> int:
    """The key of a task that runs every night."""
    from django_celery_beat.models import PeriodicTask

    from workers.schedule import ensure_schedule

    ensure_schedule()
    return PeriodicTask.objects.get(name="Apply retention").pk


def rows_of(page: Page) -> list[str]:
    return page.locator("#result_list tbody tr").all_inner_texts()


def choose(page: Page, *, field: str, text: str) -> None:
    """Choose in a field that searches as one types."""
    page.locator(f".field-{field} .select2-selection").click()
    page.locator(".select2-search__field").fill(text)
    page.locator(".select2-results__option", has_text=text).first.click()


def test_it_shows_readings_and_replays_what_waited_when_the_gateway_is_registered(
    pipeline: Pipeline, gateways: Gateways, page: Page
) -> None:
    now = datetime.now(UTC).isoformat()
    gateways.publish_and_wait(TOPIC, make_payload(valor=123.45, at=now))
    gateways.publish_and_wait(
        f"tds_new/devices/{NEW_MAC}/telemetry",
        make_payload(mac=NEW_MAC, valor=67.89, at=now),
    )
    pipeline.wait_for_received(2)

    page.goto("/admin/telemetry/readinglisting/")
    [row] = rows_of(page)
    assert "123.4500" in row
    assert "kWh" in row

    page.goto("/admin/telemetry/deadletter/")
    [row] = rows_of(page)
    assert "unknown_gateway" in row
    assert NEW_MAC in row
    page.get_by_role("link", name="unknown_gateway").click()
    expect(page.locator("pre")).to_contain_text('"valor": 67.89')
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == make_payload(mac=NEW_MAC, valor=67.89, at=now)

    page.goto("/admin/telemetry/gateway/add/")
    choose(page, field="account", text="Conta Teste")
    page.get_by_label("Code").first.fill("GW-NEW")
    page.get_by_label("MAC").fill(NEW_MAC.upper())
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    wait_until(
        lambda: (
            fetch(pipeline.connection, "SELECT reason FROM dead_letter WHERE state = 'pending'")
            == [("unknown_device",)]
        ),
        timeout_s=15,
        what="the message was validated again and now waits for its device",
    )
    page.goto("/admin/telemetry/device/add/")
    choose(page, field="gateway", text="GW-NEW")
    page.get_by_label("Code").first.fill("D01")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    wait_until(
        lambda: pipeline.report().rows == 2, timeout_s=15, what="the message that waited is stored"
    )
    page.goto("/admin/telemetry/readinglisting/")
    assert any("67.8900" in row for row in rows_of(page))
    page.goto("/admin/telemetry/deadletter/")
    assert all("REPLAYED" in row.upper() for row in rows_of(page)), rows_of(page)
    assert pipeline.report().is_balanced


def test_it_discards_and_returns_dead_letters_and_names_who_did_it(
    pipeline: Pipeline, gateways: Gateways, page: Page
) -> None:
    gateways.publish_and_wait(TOPIC, b"<script>alert(1)</script>")
    gateways.publish_and_wait(TOPIC, bytes(range(256)))
    pipeline.wait_for_received(2)

    page.goto("/admin/telemetry/deadletter/")
    assert len(rows_of(page)) == 2
    page.locator("#result_list tbody th a").first.click()
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.get_by_role("button", name="Discard").click()
    assert asked == ["Discard this dead letter?"]
    page.goto("/admin/telemetry/deadletter/")
    assert all("PENDING" in row.upper() for row in rows_of(page))
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("discard")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Discard 2 dead letters?")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("2 dead letters discarded.")).to_be_visible()
    assert all("DISCARDED" in row.upper() for row in rows_of(page))
    assert fetch(
        pipeline.connection,
        "SELECT DISTINCT state, u.username FROM dead_letter d"
        " JOIN telemetry_user u ON u.id = d.handled_by_id",
    ) == [("discarded", USER)]

    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("button", name="Return to pending").click()
    expect(page.get_by_text("1 dead letter pending again.")).to_be_visible()
    page.locator("#result_list tbody tr", has_text="ending").locator("th a").click()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("1 dead letter sent again.")).to_be_visible()
    wait_until(
        lambda: pipeline.report().is_balanced and not pipeline.queue.snapshot().pending,
        timeout_s=15,
        what="the delivery report balances after the replay",
    )
    assert fetch(pipeline.connection, "SELECT sum(occurrences) FROM dead_letter") == [(3,)]


def test_it_shows_every_list_and_form_under_its_content_policy(
    pipeline: Pipeline, nightly: int, page: Page
) -> None:
    seen: set[str] = set()
    shown = 0
    for address, text in fetch_lists_and_forms(page, nightly).items():
        parts = set(PARTS.findall(NAMES.sub("", text)))
        if parts <= seen:
            continue
        seen |= parts
        shown += 1
        page.goto(address)
    assert shown >= 10
    assert page.url.endswith(reverse(PERIODIC_TASK, args=[nightly]))
    expect(page.locator(".field-crontab")).to_contain_text("At 02:30")
    # What a page must not do, violations of the policy among it, fails the test at its end.


PERIODIC_TASK = "admin:django_celery_beat_periodictask_change"
PARTS = re.compile(
    r"""<(?:script|link|style|img|iframe)\b[^>]*>|<script[^>]*>.*?</script>|"""
    r"""\s(?:style|on\w+|x-[\w.:-]+|@[\w.-]+|:[\w.-]+)=(?:"[^"]*"|'[^']*')""",
    re.DOTALL,
)
"""What a content policy can refuse: scripts, styles, handlers, and what Alpine evaluates."""
NAMES = re.compile(r"""(?<=data-model-name=")\w+|(?<=relatedWidgetWrapper)[\w-]+""")
"""Of models and fields, in what is the same otherwise."""


def fetch_lists_and_forms(page: Page, nightly: int) -> dict[str, str]:
    """The text of every list and form of the admin, by address. All are served."""
    texts: dict[str, str] = {}

    def fetch_text(address: str) -> None:
        answer = page.request.get(address)
        assert answer.ok, (address, answer.status)
        texts[address] = answer.text()

    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        fetch_text(listed := reverse(f"{name}_changelist"))
        with suppress(NoReverseMatch):  # a page without a form
            if f'href="{reverse(f"{name}_add")}' in texts[listed]:
                fetch_text(reverse(f"{name}_add"))
    fetch_text(reverse(PERIODIC_TASK, args=[nightly]))
    return texts
