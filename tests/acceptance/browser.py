"""A real Chromium that notes what no page may do: console errors, requests to other hosts."""

import asyncio
import atexit
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def find_browser() -> str | None:
    """Chromium without its windows, which takes a quarter of the CPU time, or else the whole."""
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


@cache
def start_browser() -> tuple[Browser, asyncio.AbstractEventLoop]:
    """The browser of this process, for all its tests, and the loop that it is driven by."""
    program = find_browser()
    assert program, "Chromium is not installed: make test installs it (Debian, as root)"
    playwright = sync_playwright().start()
    loop = asyncio.get_running_loop()
    browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))

    def stop() -> None:
        asyncio._set_running_loop(loop)
        browser.close()
        playwright.stop()

    atexit.register(stop)
    return browser, loop


@contextmanager
def open_page(url: str, *, expected: str = "\0", **options: Any) -> Iterator[Page]:
    """A page whose relative addresses start at `url`, with cookies and storage of its own. Fails at
    the end when a page misbehaved.

    `expected`: messages of the console with this text are no fault. `options`: of Playwright's
    `new_page`.
    """
    wrong: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and expected not in message.text:
            wrong.append(f"console: {message.text} ({message.location['url']})")

    def on_request(request: Request) -> None:
        if not request.url.startswith((url, "data:", "blob:")):
            wrong.append(f"request to another host: {request.url}")

    outer = asyncio._get_running_loop()  # of a page within which this one is opened
    browser, loop = start_browser()
    asyncio._set_running_loop(loop)
    own = {"base_url": url, "viewport": {"width": 1400, "height": 900}, **options}
    try:
        with closing(browser.new_page(**own)) as page:  # of a context of its own
            page.set_default_timeout(15_000)
            page.on("console", on_console)
            page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
            page.on("request", on_request)
            yield page
    finally:
        asyncio._set_running_loop(outer)  # none: Django refuses to work where a loop runs
    assert not wrong, "\n".join(wrong)
