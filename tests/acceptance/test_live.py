"""What the pages of charts do by themselves in a browser: update, pause, back off, zoom."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from telemetry.core.consumption import Meter, Value
from telemetry.models import Device, Membership, TaskRun, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from tests.acceptance.browser import open_page
from tests.acceptance.conftest import Pipeline
from tests.acceptance.processes import wait_until
from tests.consumption import Site, put

pytestmark = pytest.mark.acceptance

HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
COUNT = """() => {
    const ask = window.fetch;
    window.calls = 0;
    window.fetch = (...given) => { window.calls += 1; return ask(...given); };
}"""


@pytest.fixture
def site(empty_pipeline: Pipeline) -> Site:
    """A meter with readings of two days, in an account with a member."""
    device = Device.objects.get(code="D01", gateway__mac="aa:bb:cc:dd:ee:ff")
    user = User.objects.create_user("ana", password="a long pass phrase 1")
    Membership.objects.create(user=user, account_id=device.account_id, role="viewer")
    site = Site(device.pk, device.account_id, device.gateway_id, "UTC", 1, Meter("delta"))
    now = datetime.now(UTC)
    receive(empty_pipeline, site, *((now - timedelta(hours=hour), hour) for hour in range(1, 48)))
    refresh_aggregates(empty_pipeline.connection)
    TaskRun.objects.create(name="telemetry.refresh_aggregates", success_at=now)
    return site


def receive(pipeline: Pipeline, site: Site, *found: tuple[datetime, Any]) -> None:
    put(pipeline.connection, [(site, Value(at, Decimal(str(value)))) for at, value in found])
    pipeline.connection.execute(
        "UPDATE gateway SET last_seen = now() WHERE id = %s", [site.gateway_id]
    )


@pytest.fixture
def page(web: str, site: Site) -> Iterator[Page]:
    """A browser with the overview of the account."""
    with open_page(web) as opened:
        opened.goto(f"/login/?next=/accounts/{site.account_id}/")
        opened.get_by_label("Username").fill("ana")
        opened.get_by_label("Password").fill("a long pass phrase 1")
        opened.get_by_role("button", name="Sign in").click()
        expect(opened.get_by_role("heading", level=1)).to_have_text("Overview")
        yield opened


def test_it_updates_without_taking_anything_away_from_who_reads(
    page: Page, empty_pipeline: Pipeline, site: Site
) -> None:
    page.goto(f"/accounts/{site.account_id}/?period=24h")
    expect(page.get_by_role("img", name="Consumption by hour")).to_be_visible()
    page.locator("#chart-table summary").click()
    link = page.locator('[data-part="latest"] tbody a').first
    link.focus()
    receive(empty_pipeline, site, (datetime.now(UTC), "987.6543"))
    expect(page.locator('[data-part="latest"]')).to_contain_text("987.6543", timeout=8_000)
    assert page.evaluate("document.activeElement.closest('[data-part]').dataset.part") == "latest"
    refresh_aggregates(empty_pipeline.connection)
    # Not by the ORM: Playwright's loop runs in this thread.
    empty_pipeline.connection.execute("UPDATE task_run SET success_at = now()")
    expect(page.locator("#chart-table")).to_contain_text("987.6543", timeout=20_000)
    assert page.locator("#chart-table").get_attribute("open") is not None


def test_it_pauses_hidden_backs_off_and_says_so(
    page: Page, empty_pipeline: Pipeline, site: Site
) -> None:
    page.evaluate(COUNT)
    page.evaluate(HIDE, True)
    receive(empty_pipeline, site, (datetime.now(UTC), "555.25"))
    page.wait_for_timeout(6_000)
    assert page.evaluate("window.calls") == 0
    page.evaluate(HIDE, False)
    expect(page.locator('[data-part="latest"]')).to_contain_text("555.25", timeout=3_000)
    page.evaluate("() => { window.ask = fetch; window.fetch = async () => { throw Error() } }")
    note = page.locator("[data-live-note]")
    expect(note).to_contain_text("the server does not answer", timeout=8_000)
    page.evaluate("() => { window.fetch = window.ask }")
    expect(note).to_contain_text("Up to date again", timeout=15_000)
    empty_pipeline.connection.execute("DELETE FROM user_session")
    expect(note).to_contain_text("You were signed out", timeout=20_000)
    assert "next=%2Faccounts%2F" in str(note.get_by_role("link").get_attribute("href"))


def test_it_zooms_by_dragging_and_comes_back(page: Page, site: Site) -> None:
    page.goto(f"/accounts/{site.account_id}/devices/{site.device_id}/?period=7d")
    box: Any = page.locator("figure.chart canvas").bounding_box()
    wait_until(
        lambda: page.locator("canvas[aria-label]").count(), timeout_s=5, what="the chart is shown"
    )
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.7, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.73, middle, steps=4)
    page.mouse.up()
    page.wait_for_url("**period=zoom**")
    assert "by reading" in str(page.locator("canvas").get_attribute("aria-label"))
    page.go_back()
    expect(page.locator("canvas[aria-label]")).to_be_visible()
    assert "by hour" in str(page.locator("canvas").get_attribute("aria-label"))
    page.get_by_text("Another period").press("Enter")
    page.get_by_role("link", name="Zoom in").press("Enter")
    page.wait_for_url("**period=zoom**")
    page.get_by_text("Another period").press("Enter")
    page.get_by_role("link", name="Reset").press("Enter")
    page.wait_for_url("**/?")
