"""What members do on the pages, in a browser: names and limits, reports, notes, saved views, links
of screens, alarm rules."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from telemetry.core.consumption import Meter, Value
from telemetry.models import BandPeriod, Device, Membership, TaskRun, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from tests.acceptance.browser import open_page
from tests.acceptance.conftest import Pipeline
from tests.consumption import Site, put

pytestmark = pytest.mark.acceptance

PASSWORD = "a long pass phrase 1"
HOUR = timedelta(hours=1)


@pytest.fixture
def site(empty_pipeline: Pipeline) -> Site:
    """A meter with readings of two days and a peak band; an owner and a viewer."""
    device = Device.objects.get(code="D01", gateway__mac="aa:bb:cc:dd:ee:ff")
    for name, role in (("ana", "owner"), ("rui", "viewer")):
        user = User.objects.create_user(name, email=f"{name}@example.com", password=PASSWORD)
        Membership.objects.create(user=user, account_id=device.account_id, role=role)
    BandPeriod.objects.create(
        account_id=device.account_id, band="Peak", starts=time(17, 30), ends=time(20, 30),
        days=["weekday", "saturday", "sunday"],
    )  # fmt: skip
    site = Site(device.pk, device.account_id, device.gateway_id, "UTC", 1, Meter("delta"))
    now = datetime.now(UTC)
    found = [Value(now - n * HOUR, Decimal(n)) for n in range(1, 48)]
    put(empty_pipeline.connection, [(site, value) for value in found])
    empty_pipeline.connection.execute("UPDATE gateway SET last_seen = now()")
    refresh_aggregates(empty_pipeline.connection)
    TaskRun.objects.create(name="telemetry.refresh_aggregates", success_at=now)
    return site


def sign_in(page: Page, name: str, *, path: str) -> None:
    page.goto(f"/login/?next={path}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login/" not in url)


@pytest.fixture
def page(web: str, site: Site) -> Iterator[Page]:
    """The owner's browser, on the page of the device."""
    with open_page(web, expected="status of 400") as opened:  # where a form is wrong
        sign_in(opened, "ana", path=device_path(site))
        expect(opened.get_by_role("heading", level=1)).to_contain_text("D01")
        yield opened


def overview_path(site: Site) -> str:
    return f"/accounts/{site.account_id}/"


def device_path(site: Site) -> str:
    return f"{overview_path(site)}devices/{site.device_id}/"


def ask(pipeline: Pipeline, statement: str) -> list[tuple[Any, ...]]:
    """Not by the ORM: Playwright's loop runs in this thread."""
    return pipeline.connection.execute(statement).fetchall()  # type: ignore[arg-type]


def test_an_owner_edits_names_groups_and_limits(page: Page, site: Site) -> None:
    page.get_by_role("link", name="Edit, limits, notices").click()
    page.get_by_label("Name", exact=True).fill("Chillers")
    page.get_by_label("Group", exact=True).fill("Hall 3")
    page.get_by_label("Alarm below").fill("9")
    page.get_by_label("Alarm above").fill("3")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Expected the lower limit or more.")).to_be_visible()
    page.get_by_label("Alarm below").fill("0.5")
    page.get_by_label("Alarm above").fill("45")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The device is changed.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Chillers")
    expect(page.get_by_role("navigation", name="You are here")).to_contain_text("Hall 3")
    now = datetime.now(UTC)
    near = f"period=zoom&since={now - 4 * HOUR:%Y-%m-%dT%H:%M:%SZ}&until={now:%Y-%m-%dT%H:%M:%SZ}"
    page.goto(f"{device_path(site)}?{near}")
    assert "Limit 45" in str(page.locator("#chart-data").text_content())
    page.goto(f"{overview_path(site)}?by=group")
    group = page.locator('[data-part="comparison"]').get_by_role("link", name="Hall 3")
    expect(group).to_be_visible()
    group.click()
    page.wait_for_url("**period=month**group=Hall+3")
    expect(page.locator('[data-part="comparison"] tbody')).to_contain_text("Chillers")
    page.goto(f"{overview_path(site)}gateways/{site.gateway_id}/edit/")
    page.get_by_label("Location", exact=True).fill("Roof")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The gateway is changed.")).to_be_visible()


def test_a_viewer_reports_a_reading_and_the_owner_sees_it(
    page: Page, web: str, site: Site, empty_pipeline: Pipeline
) -> None:
    at = datetime.now(UTC) - 2 * HOUR
    [(stored,)] = ask(
        empty_pipeline, "SELECT time FROM reading ORDER BY abs(value - 2), time LIMIT 1"
    )
    assert abs(stored - at) < HOUR
    with open_page(web) as viewer:
        sign_in(viewer, "rui", path=device_path(site))
        expect(viewer.get_by_role("link", name="Edit, limits, notices")).to_have_count(0)
        viewer.get_by_role("link", name="Report a wrong reading").click()
        viewer.get_by_label("Instant of the reading").fill(stored.isoformat())
        viewer.get_by_label("What is wrong").fill("The pump was off")
        viewer.get_by_role("button", name="Report it").click()
        expect(viewer.get_by_text("The reading is among the findings now")).to_be_visible()
    page.goto(overview_path(site))
    strip = page.locator('[data-part="status"]')
    expect(strip).to_contain_text("1 finding to decide")
    strip.get_by_role("link", name="See findings").click()
    expect(page.locator("main")).to_contain_text("The pump was off")


def test_an_owner_writes_and_deletes_a_note(page: Page, site: Site) -> None:
    page.get_by_role("link", name="Add a note").click()
    page.get_by_label("Note").fill("Public <holiday>")
    page.get_by_role("button", name="Write the note").click()
    events = page.locator("section", has=page.get_by_role("heading", name="Notes and events"))
    expect(events).to_contain_text("Public <holiday>")
    assert "Public <holiday>" in page.evaluate(
        "JSON.parse(document.getElementById('chart-data').textContent).marks.map(one => one[1])"
    )
    events.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The note is deleted.")).to_be_visible()
    expect(events).not_to_contain_text("holiday")


def test_a_view_is_saved_put_on_the_overview_and_shared(page: Page, web: str, site: Site) -> None:
    page.goto(overview_path(site))
    page.get_by_role("link", name="By band").click()
    page.wait_for_url("**by=band")
    page.get_by_role("link", name="30 days").click()
    page.wait_for_url("**period=30d&by=band")  # the choice stays
    bands = page.locator('[data-part="comparison"]')
    expect(bands).to_contain_text("Peak")
    expect(bands).to_contain_text("Off-peak")
    page.get_by_role("link", name="Save this view").click()
    page.get_by_label("Name").fill("Bands of a month")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The view is saved.")).to_be_visible()
    page.goto(overview_path(site))
    card = page.locator(".views li", has_text="Bands of a month")
    expect(card).to_contain_text("By band")
    expect(card).to_contain_text("1,128")  # 1 + 2 + ... + 47
    link = str(card.get_by_role("link").get_attribute("href"))
    with open_page(web) as viewer:
        sign_in(viewer, "rui", path=overview_path(site))
        expect(viewer.locator(".views li", has_text="Bands of a month")).to_contain_text("shared")
        viewer.goto(f"{overview_path(site)}{link}")
        expect(viewer.locator('[data-part="comparison"]')).to_contain_text("Off-peak")
        expect(viewer.get_by_role("link", name="By band")).to_have_attribute("aria-current", "true")
    page.locator("main").get_by_role("link", name="Change").click()
    page.get_by_role("button", name="Delete Bands of a month").click()
    page.goto(overview_path(site))
    expect(page.locator(".views li")).to_have_count(0)


def test_a_screen_shows_the_account_until_its_link_is_revoked(
    page: Page, web: str, site: Site
) -> None:
    page.goto(f"{overview_path(site)}screens/")
    page.get_by_label("Name").fill("Canteen")
    page.get_by_role("button", name="Create the link").click()
    address = str(page.locator("#secret").get_attribute("href"))
    with open_page(web, expected="status of 404") as screen:  # once the link is revoked
        screen.goto(f"{address}?by=band&period=7d")
        expect(screen.locator("h1")).to_have_text("Conta Teste Telemetria")
        expect(screen.locator('[data-part="consumption"]')).to_contain_text("kWh")
        expect(screen.locator('[data-part="chart"]')).to_contain_text("Off-peak")
        expect(screen.get_by_role("img", name=re.compile("Consumption by hour"))).to_be_visible()
        assert screen.get_by_role("link").count() == 0
        page.goto(f"{overview_path(site)}screens/")
        expect(page.get_by_role("row", name=re.compile("Canteen"))).not_to_contain_text("never")
        page.get_by_role("button", name="Revoke Canteen").click()
        expect(page.get_by_text("The link Canteen was revoked.")).to_be_visible()
        expect(screen.locator("[data-live-note]")).to_contain_text(
            "cannot be updated any more", timeout=20_000
        )
    answer = page.request.get(address)
    assert answer.status == 404


def test_an_owner_makes_an_alarm_rule(page: Page, site: Site) -> None:
    page.get_by_role("link", name="Edit, limits, notices").click()
    expect(page.get_by_text("Nobody is told when a limit is passed.")).to_be_visible()
    page.get_by_role("link", name="New alarm rule").click()
    page.get_by_role("button", name="Create").click()
    expect(page.locator(".field.wrong").first).to_be_visible()  # nobody is told, no limit
    page.locator("#id_kind").select_option("day")
    page.locator("#id_limit").fill("190.5")
    page.get_by_label("ana").first.check()
    page.locator("#id_name").fill("Too much in a day")
    page.get_by_role("button", name="Create").click()
    row = page.get_by_role("row", name=re.compile("Too much in a day"))
    expect(row).to_contain_text("190.5")
    expect(row).to_contain_text("ana")
    page.goto(f"{device_path(site)}?period=month")
    assert "Limit 190.5" in str(page.locator("#chart-data").text_content())
    page.goto(f"{overview_path(site)}alarms/rules/")
    page.get_by_role("button", name="Switch off Too much in a day").click()
    expect(page.get_by_role("row", name=re.compile("Too much in a day"))).to_contain_text("off")
