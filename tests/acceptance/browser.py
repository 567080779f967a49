"""A real Chromium that notes what no page may do: console errors, requests to other hosts."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def open_page(url: str, **options: Any) -> Iterator[Page]:
    """A page whose relative addresses start at `url`. Fails at the end when a page misbehaved.

    `options`: of Playwright's `new_page`.
    """
    program = shutil.which("chromium")
    assert program, "chromium is not installed: make test installs it (Debian, as root)"
    wrong: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(f"console: {message.text} ({message.location['url']})")

    def on_request(request: Request) -> None:
        if not request.url.startswith((url, "data:", "blob:")):
            wrong.append(f"request to another host: {request.url}")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        page = browser.new_page(
            **{"base_url": url, "viewport": {"width": 1400, "height": 900}, **options}
        )
        page.set_default_timeout(15_000)
        page.on("console", on_console)
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("request", on_request)
        try:
            yield page
        finally:
            browser.close()
    assert not wrong, "\n".join(wrong)
