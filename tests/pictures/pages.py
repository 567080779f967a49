"""Which pages are looked at. Devices and months are found by their links, on any stack."""

import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from playwright.sync_api import BrowserContext, Page

OPEN_PAGES = {"sign-in": "/login/", "new-password": "/password/forgotten/"}
OWN_PAGES = {
    "accounts": "/accounts/", "profile": "/profile/", "tokens": "/profile/tokens/",
    "password": "/password/", "sessions": "/sessions/", "second-factor": "/second-factor/",
    "api": "/api/v1/docs",
}  # fmt: skip
ACCOUNT_PAGES = {
    "overview": "", "overview-week": "?period=7d", "overview-day": "?period=24h",
    "overview-groups": "?by=group", "overview-bands": "?by=band&period=30d",
    "overview-levels": "?show=level%3A%C2%B0C", "devices": "devices/", "gateways": "gateways/",
    "statement": "statements/", "statement-print": "statements/print/",
    "band-periods": "bands/periods/", "bands-print": "bands/print/",
    "alarms": "alarms/", "alarm-rules": "alarms/rules/", "bands": "bands/",
    "virtual-meters": "virtual-meters/", "reports": "reports/", "print": "reports/print/",
    "schedules": "reports/schedules/", "edits": "edits/", "findings": "findings/?state=all",
    "months": "months/", "members": "members/", "screens": "screens/", "views": "views/?period=7d",
}  # fmt: skip
DEVICE_PAGES = {
    "device": "", "device-day": "?period=24h&compare=weekday", "readings": "readings/",
    "meter": "meter/", "edit-device": "edit/", "note": "notes/", "report": "report/",
    "why-device": "why/", "device-month": "?period=month&month={before}",
}  # fmt: skip
ADMIN = "admin-"
LISTS = {
    "accounts": "account", "gateways": "gateway", "devices": "device", "meters": "installation",
    "certificates": "certificate", "readings": "readinglisting", "months": "monthlyconsumption",
    "closed-months": "closedmonth", "findings": "finding", "workbench": "deadlettergroup",
    "dead-letters": "deadletter", "alarms": "alarm", "alarm-rules": "alarmrule",
    "gateway-events": "gatewayevent", "users": "user", "memberships": "membership",
    "locks": "signinfailure", "batches": "batch", "schedules": "taskrun",
    "past-runs": "taskhistory", "storage": "storage",
}  # fmt: skip
ADMIN_PAGES = {"home": "", "changes": "auditlog/logentry/"} | {
    name: f"telemetry/{model}/" for name, model in LISTS.items()
}
FROM_LISTS = {
    "gateway": ("gateways", r"/admin/telemetry/gateway/\d+/change/"),
    "device": ("devices", r"/admin/telemetry/device/\d+/change/"),
    "group": ("workbench", r"/admin/telemetry/deadlettergroup/\d+/open/"),
    "register": ("workbench", r"/admin/telemetry/deadlettergroup/register/[0-9a-f:]+/"),
    "run-now": ("schedules", r"/admin/telemetry/taskrun/[^/]+/run-now/"),
    "task": ("schedules", r"/admin/telemetry/taskrun/[^/]+/change/"),
}
"""Pages that are found by a link of a list; left out where there is none."""
SCREEN = f"Pictures {secrets.token_hex(3)}"
"""The link of a screen that is made for the pictures of this run, and revoked."""


def sign_in(visit: BrowserContext, *, user: str, password: str) -> Page:
    """The overview of the member's account. Exits when the password is refused."""
    page = visit.new_page()
    page.goto("/login/")
    page.locator("[name=username]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("main button").first.click()
    page.wait_for_load_state()
    if "/accounts/" not in page.url:
        sys.exit(f"error: {user} was not signed in to an account at {page.url}")
    return page


def sign_in_admin(visit: BrowserContext, *, user: str, password: str) -> Page:
    """The home of the admin. Exits when the password is refused."""
    page = visit.new_page()
    page.goto("/login/?next=/admin/")
    page.locator("[name=username]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("main button").first.click()
    page.wait_for_load_state()
    if "/admin/" not in page.url.partition("?")[0]:
        sys.exit(f"error: {user} was not signed in to the admin at {page.url}")
    return page


def find_admin_addresses(page: Page) -> dict[str, str]:
    """Paths of the admin's pages by name."""
    found = {f"{ADMIN}{name}": f"/admin/{path}" for name, path in ADMIN_PAGES.items()}
    for name, (shown, pattern) in FROM_LISTS.items():
        page.goto(found[f"{ADMIN}{shown}"])
        links = page.locator("a[href]").evaluate_all("all => all.map(one => one.pathname)")
        link = next((one for one in links if re.fullmatch(pattern, one)), None)
        if link:
            found[f"{ADMIN}{name}"] = link
    if f"{ADMIN}gateway" in found:
        found[f"{ADMIN}why"] = found[f"{ADMIN}gateway"].replace("/change/", "/why/")
    return found


def find_addresses(page: Page) -> dict[str, str]:
    """Paths of all pages by name, from the overview of the account that is shown.

    Of devices it is the one with the newest finding, or the first; the first gateway; of months the
    last that is over.
    """
    base = "/accounts/" + page.url.split("/accounts/")[1].split("/")[0] + "/"
    found = OPEN_PAGES | OWN_PAGES
    found |= {name: base + path for name, path in ACCOUNT_PAGES.items()}
    links = [link for path in ("findings/?state=all", "devices/", "gateways/", "months/")
             for link in _list_links(page, base + path)]  # fmt: skip
    device = _find(rf"{base}devices/\d+/", links)
    before = (date.today().replace(day=1) - timedelta(days=1)).strftime("%Y-%m")  # noqa: DTZ011
    found |= {name: device + path.format(before=before) for name, path in DEVICE_PAGES.items()}
    found["gateway"] = _find(rf"{base}gateways/\d+/", links)
    found |= {"edit-gateway": found["gateway"] + "edit/", "why-gateway": found["gateway"] + "why/"}
    months = [link for link in links if re.fullmatch(rf"{base}months/[\d-]+/", link)]
    if months:
        month = months[min(1, len(months) - 1)]
        found |= {"month": month, "close": f"{month}close/"}
    return found


@contextmanager
def open_screen(page: Page, screens: str) -> Iterator[str]:
    """The address of a screen of the account, for as long as it is looked at."""
    page.goto(screens)
    page.locator("[name=name]").fill(SCREEN)
    page.locator("main form button").first.click()
    yield str(page.locator("#secret").get_attribute("href"))
    page.goto(screens)
    revoke = page.get_by_role("row").filter(has_text=SCREEN).locator("form button")
    while revoke.count():
        revoke.first.click()
        page.wait_for_load_state()


def _list_links(page: Page, path: str) -> list[str]:
    page.goto(path)
    links: list[str] = page.locator("main a").evaluate_all("all => all.map(one => one.pathname)")
    return links


def _find(pattern: str, links: list[str]) -> str:
    return next(link for link in links if re.fullmatch(pattern, link))
