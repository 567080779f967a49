"""MQTT in, dashboard out: what members of an account see and do, in a real browser."""

import csv
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from telemetry.core.consumption import Meter, Value
from telemetry.models import Account, Device, Membership, TaskRun, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from tests.acceptance.browser import open_page
from tests.acceptance.conftest import Gateways, Pipeline
from tests.consumption import Site, put
from tests.messages import TOPIC, make_payload

pytestmark = pytest.mark.acceptance

NAME, PASSWORD = "ana", "a long pass phrase 1"
DESKTOP, PHONE = (1280, 900), (390, 844)
LANGUAGES, THEMES, SIZES = ("en", "pt-br"), ("light", "dark"), (DESKTOP, PHONE)
SHOTS = os.environ.get("SCREENSHOTS", "")
"""A folder for pictures of every page in every form; without it two forms are looked at."""


@pytest.fixture
def account(empty_pipeline: Pipeline) -> Account:
    """The demo account with three days of readings, and a member who owns it."""
    found = Account.objects.get(name="Conta Teste Telemetria")
    user = User.objects.create_user(NAME, email="ana@example.com", password=PASSWORD)
    for name, role in ((found.name, "owner"), ("Second Account", "viewer")):
        Membership.objects.create(user=user, account=Account.objects.get(name=name), role=role)
    now = datetime.now(UTC).replace(microsecond=0)
    for device in Device.objects.filter(account=found, is_active=True):
        site = Site(device.pk, found.pk, device.gateway_id, "UTC", 1, Meter("delta"))
        hours = [now - timedelta(hours=step) for step in range(1, 72)]
        put(
            empty_pipeline.connection,
            [(site, Value(at, Decimal(at.hour + device.pk))) for at in hours],
        )
    refresh_aggregates(empty_pipeline.connection)
    TaskRun.objects.create(name="telemetry.refresh_aggregates", success_at=datetime.now(UTC))
    return found


def sign_in(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Username").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def page(web: str, account: Account) -> Iterator[Page]:
    """A browser whose owner is signed in."""
    with open_page(web) as opened:
        sign_in(opened)
        expect(opened.get_by_role("heading", level=1)).to_have_text("Overview")
        yield opened


def test_it_shows_a_message_of_a_moment_ago_filters_switches_exports_and_signs_out(
    page: Page, ingesting: Pipeline, gateways: Gateways, tmp_path: Path
) -> None:
    page.evaluate("window.isStillTheSame = true")
    payload = make_payload(valor=123.4567, at=datetime.now(UTC).isoformat())
    gateways.publish_and_wait(TOPIC, payload)
    expect(page.get_by_text("123.4567").first).to_be_visible(timeout=15_000)
    assert page.evaluate("window.isStillTheSame") is True

    page.goto(f"{page.url.split('?')[0]}?kind=sensor")
    expect(page.get_by_text("on", exact=True).first).to_be_visible()

    page.get_by_role("link", name="Reports", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reports")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).click()
    file = tmp_path / "report.csv"
    download.value.save_as(file)
    rows = list(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))
    assert {row["Unit"] for row in rows} >= {"kWh"}

    page.locator("details.account summary").click()
    page.get_by_role("link", name="Second Account").click()
    expect(page.locator("details.account summary")).to_contain_text("Second Account")
    page.locator("details.person summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


@pytest.fixture
def pages(account: Account) -> dict[str, str]:
    """Read before the browser's loop runs in this thread."""
    return list_pages(account)


def list_pages(account: Account) -> dict[str, str]:
    base = f"/accounts/{account.pk}/"
    device = Device.objects.filter(account=account, is_active=True).order_by("pk").first()
    assert device is not None
    return {
        "accounts": "/accounts/",
        "profile": "/profile/",
        "tokens": "/profile/tokens/",
        "password": "/password/",
        "sessions": "/sessions/",
        "second-factor": "/second-factor/",
        "overview": base,
        "devices": f"{base}devices/",
        "device": f"{base}devices/{device.pk}/",
        "gateways": f"{base}gateways/",
        "gateway": f"{base}gateways/{device.gateway_id}/",
        "why": reverse("why-device", args=[account.pk, device.pk]),
        "alarms": f"{base}alarms/",
        "alarm-rules": reverse("alarm-rules", args=[account.pk]),
        "bands": reverse("bands", args=[account.pk]),
        "virtual-meters": reverse("virtual-meters", args=[account.pk]),
        "meter": reverse("meter", args=[account.pk, device.pk]),
        "reports": f"{base}reports/",
        "print": f"{base}reports/print/",
        "schedules": f"{base}reports/schedules/",
        "readings": f"{base}devices/{device.pk}/readings/",
        "edits": f"{base}edits/",
        "findings": f"{base}findings/?state=all",
        "months": f"{base}months/",
        "month": f"{base}months/{datetime.now(UTC).date().replace(day=1)}/",
        "close": f"{base}months/{datetime.now(UTC).date().replace(day=1)}/close/",
        "members": f"{base}members/",
        "screens": f"{base}screens/",
        "views": f"{base}views/?period=7d",
        "edit-device": f"{base}devices/{device.pk}/edit/",
        "note": f"{base}devices/{device.pk}/notes/",
        "report": f"{base}devices/{device.pk}/report/",
        "edit-gateway": f"{base}gateways/{device.gateway_id}/edit/",
    }


def list_forms() -> list[tuple[str, str, tuple[int, int]]]:
    """Language, theme and size: all, or two opposite ones."""
    if SHOTS:
        return [(language, theme, size) for language in LANGUAGES for theme in THEMES
                for size in SIZES]  # fmt: skip
    return [("en", "light", DESKTOP), ("pt-br", "dark", PHONE)]


def test_it_serves_everybody_on_every_page(
    web: str, account: Account, empty_pipeline: Pipeline
) -> None:
    wrong: list[str] = []
    pages = list_pages(account)
    speak = "UPDATE telemetry_user SET language = %s"
    for language, theme, (width, height) in list_forms():
        empty_pipeline.connection.execute(speak, [""])
        with open_page(web, viewport={"width": width, "height": height}) as page:
            page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
            page.goto("/login/")
            wrong += look(page, f"login {language} {theme} {width}")
            sign_in(page)
            expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
            empty_pipeline.connection.execute(speak, [language])
            for name, address in pages.items():
                page.goto(address)
                wrong += look(page, f"{name} {language} {theme} {width}")
    assert not wrong, "\n".join(wrong)


def look(page: Page, name: str) -> list[str]:
    """What is wrong with a page: axe's serious findings, and a page wider than its window."""
    page.wait_for_load_state("networkidle")
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name.replace(' ', '-')}.png", full_page=True)
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    wrong = [
        f"{name}: {one['id']}: {one['help']}: {one['nodes'][0]['html'][:150]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1"):
        wrong.append(f"{name}: wider than its window")
    return wrong


def test_it_compares_notes_saves_and_shows_on_a_wall_by_keyboard(
    pages: dict[str, str], page: Page, account: Account
) -> None:
    page.goto(pages["device"])
    page.get_by_label("Compare with", exact=True).press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator('[data-part="key"]')).to_contain_text("Measured")
    assert "compare=before" in page.url

    page.get_by_role("link", name="Add a note").press("Enter")
    page.get_by_label("note").fill("Hall closed")
    page.get_by_role("button", name="Write the note").press("Enter")
    expect(page.get_by_text("The note is written.")).to_be_visible()
    expect(page.locator(".plain-list")).to_contain_text("Hall closed")

    page.goto(f"{pages['overview']}?period=7d")
    page.get_by_role("link", name="Save this view").press("Enter")
    page.get_by_label("name").fill("Week")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.locator(".cards.views")).to_contain_text("Week")

    page.goto(pages["screens"])
    page.get_by_label("Name").fill("Canteen")
    page.get_by_role("button", name="Create the link").press("Enter")
    address = page.locator("#secret").get_attribute("href")
    assert address
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text(account.name)
    expect(page.locator("canvas")).to_be_visible()
    assert look(page, "kiosk") == []


def test_it_works_without_javascript(web: str, account: Account) -> None:
    pages = list_pages(account)
    with open_page(web, java_script_enabled=False) as page:
        sign_in(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        for name, address in pages.items():
            assert page.request.get(address).status == 200, name
        page.goto(pages["device"])
        assert page.locator("table").count() > 0
