"""What somebody wants who sees the pages for the first time, with the clicks that it takes.

Two more, to register the gateway of a dead letter and to ask why there is no data, are in
`test_admin_looks.py`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from telemetry.core.consumption import Meter, Value
from telemetry.models import Account, Device, Membership, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from tests.acceptance.browser import open_page
from tests.acceptance.clicks import Clicks
from tests.acceptance.conftest import Pipeline, fetch
from tests.acceptance.test_admin import PASSWORD as ADMIN_PASSWORD
from tests.acceptance.test_admin import open_admin
from tests.consumption import Site, put

pytestmark = pytest.mark.acceptance

NAME, PASSWORD = "ana", "a long pass phrase 1"
START = datetime(2025, 10, 1, 0, 30, tzinfo=UTC)
HOURS = 31 * 24
RULES = """
SELECT email, limit_value FROM alarm_rule r JOIN alarm_rule_recipient p ON p.alarmrule_id = r.id
JOIN telemetry_user u ON u.id = p.user_id
"""


@pytest.fixture
def site(empty_pipeline: Pipeline) -> Site:
    """A meter of 2 kWh an hour through October 2025, and somebody who may close months."""
    device = Device.objects.get(gateway__mac="aa:bb:cc:dd:ee:ff", code="D01")
    Account.objects.filter(pk=device.account_id).update(time_zone="UTC")
    site = Site(device.pk, device.account_id, device.gateway_id, "UTC", 1, Meter("delta"))
    hours = [Value(START + timedelta(hours=number), Decimal(2)) for number in range(HOURS)]
    put(empty_pipeline.connection, [(site, one) for one in hours])
    refresh_aggregates(empty_pipeline.connection)
    user = User.objects.create_user(NAME, email="ana@example.com", password=PASSWORD)
    Membership.objects.create(user=user, account_id=device.account_id, role="admin")
    return site


@pytest.fixture
def page(web: str, site: Site) -> Iterator[Page]:
    """Her first page after the sign-in."""
    with open_page(web) as opened:
        opened.goto("/")
        opened.get_by_label("Username").fill(NAME)
        opened.get_by_label("Password").fill(PASSWORD)
        opened.get_by_role("button", name="Sign in").click()
        expect(opened.get_by_role("heading", level=1)).to_have_text("Overview")
        yield opened


def test_it_takes_four_clicks_to_close_a_month(
    page: Page, site: Site, empty_pipeline: Pipeline
) -> None:
    click = Clicks()
    click(page.get_by_role("link", name="Months"))
    click(page.get_by_role("link", name="Review and close").first)
    click(page.get_by_role("link", name="Close October 2025"))
    click(page.get_by_role("button", name="Close October 2025"))
    expect(page.get_by_text("October 2025 is closed.")).to_be_visible()
    assert click.count == 4
    closed = "SELECT month::text FROM closed_month"
    assert fetch(empty_pipeline.connection, closed) == [("2025-10-01",)]


def test_it_takes_three_clicks_to_set_a_limit_that_mails_me(
    page: Page, site: Site, empty_pipeline: Pipeline
) -> None:
    click = Clicks()
    click(page.get_by_role("navigation").get_by_role("link", name="Alarms"))
    click(page.get_by_role("link", name="Rules and webhooks"))
    form = page.locator("form").filter(has=page.get_by_role("button", name="Create"))
    form.locator("[name=kind]").select_option("above")
    form.locator("[name=limit]").fill("80")
    expect(form.get_by_label("ana")).to_have_count(2)  # who is told, and whom it is escalated to
    click(form.get_by_role("button", name="Create"))
    expect(page.get_by_text("the rule is active")).to_be_visible()
    assert click.count == 3  # of 4
    assert fetch(empty_pipeline.connection, RULES) == [("ana@example.com", Decimal(80))]


def test_it_takes_one_click_to_find_who_changed_a_device(
    web: str, empty_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", ADMIN_PASSWORD)
    device = Device.objects.get(gateway__mac="aa:bb:cc:dd:ee:ff", code="D01")
    with open_admin(web) as page:
        page.goto(f"/admin/telemetry/device/{device.pk}/change/")
        page.locator("[name=name]").fill("Boiler room")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("was changed successfully")).to_be_visible()

        page.goto("/admin/")
        click = Clicks()
        click(page.locator("#nav-sidebar-apps").get_by_role("link", name="Changes"))
        row = page.locator("#result_list tbody tr").filter(has_text="Boiler room").first
        expect(row).to_contain_text("administrator")
        expect(row).to_contain_text("name:")
        assert click.count == 1


def test_it_switches_the_language_of_the_admin_by_the_keyboard(
    web: str, empty_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", ADMIN_PASSWORD)
    with open_admin(web) as page:
        page.get_by_role("button", name="Português Brasileiro").focus()
        page.keyboard.press("Enter")
        expect(page.locator("html")).to_have_attribute("lang", "pt-br")
        page.get_by_role("button", name="English").focus()
        page.keyboard.press("Space")
        expect(page.locator("html")).to_have_attribute("lang", "en")
