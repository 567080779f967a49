"""What a page weighs and when it first paints, for a browser that has seen none of it.

    make up DETACH=1
    compose/local/install dev
    set -a; . .local/stack.env; set +a
    .venv/bin/python -m tests.bench.paint

Each page is opened in Chromium with an empty cache. Bytes are those that were sent, compressed,
pictures left out; the first paint is that of the first text or picture, from the begin of the
navigation. Exit code 1 when a page weighs 200 kB or more, or its median paint takes 1 s.
"""

import argparse
import os
import re
import statistics
import sys
from typing import Any

from msgspec import Struct
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.acceptance.browser import ARGUMENTS, find_browser

MOST_BYTES = 200_000
MOST_MS = 1_000.0
PAINTED = "() => performance.getEntriesByName('first-contentful-paint').length"
MEASURE = """() => {
    const entries = [
        ...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource"),
    ].filter(entry => entry.initiatorType !== "img" && !entry.name.endsWith(".svg"));
    return {
        bytes: entries.reduce((sum, entry) => sum + entry.encodedBodySize, 0),
        requests: entries.length,
        ms: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    };
}"""


class Look(Struct, frozen=True):
    """One opening of a page: bytes sent, requests, milliseconds to the first paint."""

    bytes: int
    requests: int
    ms: float


def main() -> int:
    """Measure and print every page; the exit code tells whether all are within their bounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default=os.environ.get("WEB_URL", "").rstrip("/"))
    parser.add_argument("--user", default=os.environ.get("DEMO_MEMBER", ""))
    parser.add_argument("--times", type=int, default=7, help="openings of each page")
    options = parser.parse_args()
    password = os.environ.get("MEMBER_PASSWORD", "")
    if not (options.url and options.user and password):
        parser.error(
            "WEB_URL, DEMO_MEMBER and MEMBER_PASSWORD are not all set: see .local/stack.env"
        )
    program = find_browser()
    if program is None:
        parser.error(
            "Chromium is not installed (on Debian as root: apt-get install chromium-headless-shell)"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        visit = browser.new_context(base_url=options.url)
        addresses = find_addresses(sign_in(visit, user=options.user, password=password))
        state: Any = visit.storage_state()
        looks = {}
        for name, path in track(addresses.items(), description="Opening", transient=True):
            kept = None if name == "sign-in" else state
            looks[name] = [
                look(browser, options.url + path, state=kept) for _ in range(options.times)
            ]
        browser.close()
    return show(looks)


def sign_in(visit: BrowserContext, *, user: str, password: str) -> Page:
    """The overview of the member's account. Exits when the password is refused."""
    page = visit.new_page()
    page.goto("/login/")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()
    if "/accounts/" not in page.url:
        sys.exit(f"error: {user} was not signed in to an account at {page.url}")
    return page


def find_addresses(page: Page) -> dict[str, str]:
    """The paths of the account's pages, with its first device and gateway."""
    base = "/accounts/" + page.url.split("/accounts/")[1].split("/")[0] + "/"
    found = {"sign-in": "/login/", "overview": base}
    for name in ("devices", "gateways"):
        page.goto(f"{base}{name}/")
        links = page.locator("main a").evaluate_all("links => links.map(link => link.pathname)")
        one = next(path for path in links if re.fullmatch(rf"{base}{name}/\d+/", path))
        found |= {name: f"{base}{name}/", name[:-1]: one}
    for name in ("alarms", "reports", "reports/print", "reports/schedules", "members"):
        found[name] = f"{base}{name}/"
    return {**found, "profile": "/profile/", "tokens": "/profile/tokens/", "API": "/api/v1/docs"}


def look(browser: Browser, url: str, *, state: Any) -> Look:
    """Open a page with an empty cache."""
    with browser.new_context(storage_state=state) as visit:
        page = visit.new_page()
        answer = page.goto(url, wait_until="networkidle")
        if answer is None or not answer.ok:
            sys.exit(f"error: {url} answered {answer and answer.status}")
        page.wait_for_function(PAINTED)
        return Look(**page.evaluate(MEASURE))


def show(looks: dict[str, list[Look]]) -> int:
    """A table; 1 when a bound is passed."""
    table = Table("page", "kB", "requests", "first paint, ms", "slowest, ms")
    is_over = False
    for name, found in looks.items():
        most = max(found, key=lambda one: one.bytes)
        ms = statistics.median(one.ms for one in found)
        is_over |= most.bytes >= MOST_BYTES or ms >= MOST_MS
        slowest = max(one.ms for one in found)
        table.add_row(
            name, f"{most.bytes / 1000:.1f}", str(most.requests), f"{ms:.0f}", f"{slowest:.0f}"
        )
    Console(highlight=False).print(table)
    return int(is_over)


if __name__ == "__main__":
    sys.exit(main())
