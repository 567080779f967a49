"""The administrator's way in a browser: a spike found and voided, the month reviewed and closed, a
late reading adjusted. Clicks are counted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from telemetry.core.consumption import Meter, Value
from telemetry.models import Account, Device, Membership, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.findings.evaluate import evaluate_findings
from tests.acceptance.browser import open_page
from tests.acceptance.clicks import Clicks
from tests.acceptance.conftest import Pipeline, fetch
from tests.consumption import Site, put

pytestmark = pytest.mark.acceptance

NAME, PASSWORD = "ana", "a long pass phrase 1"
START = datetime(2025, 10, 1, 0, 30, tzinfo=UTC)
END = datetime(2025, 11, 1, 0, 30, tzinfo=UTC)
SPIKE = datetime(2025, 10, 17, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOST_CLICKS = 7


@pytest.fixture
def site(empty_pipeline: Pipeline) -> Site:
    """A meter of 2 kWh an hour through October 2025, with one reading of 7,000, evaluated."""
    device = Device.objects.get(gateway__mac="aa:bb:cc:dd:ee:ff", code="D01")
    Account.objects.filter(pk=device.account_id).update(time_zone="UTC")
    Device.objects.update(is_active=False)
    site = Site(device.pk, device.account_id, device.gateway_id, "UTC", 1, Meter("delta"))
    hours = (END - START) // HOUR
    readings = [Value(START + number * HOUR, Decimal(2)) for number in range(hours)]
    put(
        empty_pipeline.connection, [(site, one) for one in [*readings, Value(SPIKE, Decimal(7000))]]
    )
    empty_pipeline.connection.execute("UPDATE reading SET received_at = time")
    refresh(empty_pipeline)
    user = User.objects.create_user(NAME, email="ana@example.com", password=PASSWORD)
    Membership.objects.create(user=user, account_id=device.account_id, role="admin")
    return site


def refresh(pipeline: Pipeline) -> None:
    refresh_aggregates(pipeline.connection)
    evaluate_findings(pipeline.connection, now=END + HOUR)


@pytest.fixture
def page(web: str, site: Site) -> Iterator[Page]:
    with open_page(web) as opened:
        opened.goto("/")
        opened.get_by_label("Username").fill(NAME)
        opened.get_by_label("Password").fill(PASSWORD)
        opened.get_by_role("button", name="Sign in").click()
        expect(opened.get_by_role("heading", level=1)).to_have_text("Overview")
        yield opened


def test_it_takes_few_clicks_from_a_spike_to_a_month_that_is_closed_and_adjusted(
    page: Page, site: Site, empty_pipeline: Pipeline
) -> None:
    click = Clicks()
    click(page.get_by_role("link", name="See findings"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Findings")
    expect(page.get_by_text("7002")).to_be_visible()  # what the hour counted
    click(page.get_by_role("link", name="Void or substitute"))
    expect(page.get_by_role("heading", name="Edit this reading")).to_be_visible()
    page.get_by_label("Reason").fill("The display slipped by three digits")
    click(page.get_by_role("button", name="Edit"))
    expect(page.get_by_text("Readings edited: 1")).to_be_visible()
    refresh(empty_pipeline)
    statement = "SELECT state FROM finding WHERE rule = 'too_fast'"
    assert fetch(empty_pipeline.connection, statement) == [("voided",)]

    click(page.get_by_role("link", name="Months"))
    click(page.get_by_role("link", name="Review and close").first)
    expect(page.get_by_text("1,488").first).to_be_visible()
    click(page.get_by_role("link", name="Close October 2025"))
    expect(page.get_by_role("heading", name="What closing means")).to_be_visible()
    click(page.get_by_role("button", name="Close October 2025"))
    expect(page.get_by_text("October 2025 is closed.")).to_be_visible()

    put(empty_pipeline.connection, [(site, Value(SPIKE + HOUR, Decimal("0.5")))])
    refresh(empty_pipeline)
    statement = "SELECT difference FROM month_adjustment"
    assert fetch(empty_pipeline.connection, statement) == [(Decimal("0.5"),)]
    page.reload()
    expect(page.get_by_text("+0.5")).to_be_visible()
    expect(page.get_by_text("not yet")).to_be_visible()
    assert click.count == MOST_CLICKS
