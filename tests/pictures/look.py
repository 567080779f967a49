"""One page in one form, in Chromium with an empty cache: its picture, and what is wrong with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from msgspec import Struct
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

MOST_BYTES = 120_000
SERIOUS = ("serious", "critical")
HEIGHT = 900
TOUCH_WIDTH = 640
SENT = """() => [
    ...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource"),
].reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
# What of the page reaches beyond its right edge; on a phone also what scrolls in a frame of its
# own, but for tabs, code, and the table of a chart's values.
WIDER = """isPhone => {
    const width = document.documentElement.clientWidth;
    const frames = isPhone ? [...document.querySelectorAll("body *")].filter(
        one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === "auto"
            && !one.matches(".tabs ul, pre, .chart-table *, .fields *")) : [];
    if (frames.length > 0) return frames[0].outerHTML.slice(0, 150);
    if (document.documentElement.scrollWidth <= width + 1) return "";
    const wide = [...document.querySelectorAll("body *")].filter(
        one => one.getBoundingClientRect().right > width + 1);
    const last = wide.at(-1);
    return last ? last.outerHTML.slice(0, 150) : "something";
}"""


class Form(Struct, frozen=True):
    """How a page is looked at."""

    language: str
    theme: str
    width: int

    @property
    def name(self) -> str:
        """As file names have it."""
        return f"{self.language}-{self.theme}-{self.width}"


class Look(Struct, frozen=True):
    """What was seen: bytes sent, and findings in words."""

    page: str
    form: Form
    bytes: int
    wrong: tuple[str, ...]


class Eye:
    """Looks at pages in one form. With `with_axe`, axe looks as well."""

    def __init__(self, browser: Browser, url: str, form: Form, *, state: Any, folder: Path) -> None:
        self._browser, self._url, self._form = browser, url, form
        self._state, self._folder = state, folder

    @contextmanager
    def open(self, *, signed_in: bool) -> Iterator[BrowserContext]:
        """A browser that has seen nothing yet."""
        form = self._form
        visit = self._browser.new_context(
            base_url=self._url,
            viewport={"width": form.width, "height": HEIGHT},
            has_touch=form.width < TOUCH_WIDTH,
            color_scheme="dark" if form.theme == "dark" else "light",  # the admin asks the system
            storage_state=self._state if signed_in else None,
        )
        visit.add_cookies([{"name": "django_language", "value": form.language, "url": self._url}])
        visit.add_init_script(f"localStorage.setItem('theme', '{form.theme}')")
        try:
            yield visit
        finally:
            visit.close()

    def look(self, name: str, path: str, *, signed_in: bool = True, is_admin: bool = False) -> Look:
        """Open it, take its picture, and say what is wrong. The admin's pages may have tables that
        scroll by themselves, and the scripts of django-unfold."""
        with self.open(signed_in=signed_in) as visit:
            page = visit.new_page()
            wrong = _listen(page, self._url)
            answer = page.goto(path, wait_until="networkidle")
            if answer is None or not answer.ok:
                wrong.append(f"status {answer and answer.status}")
            sent = page.evaluate(SENT)
            page.screenshot(path=self._folder / f"{name}-{self._form.name}.png", full_page=True)
            is_phone = self._form.width < TOUCH_WIDTH and not is_admin
            if wide := page.evaluate(WIDER, is_phone):
                wrong.append(f"wider than its window: {wide}")
            if sent > MOST_BYTES and not is_admin:
                wrong.append(f"{sent / 1000:.0f} kB, more than {MOST_BYTES // 1000}")
            found: list[dict[str, Any]] = Axe().run(page).response["violations"]
            wrong += [
                f"axe: {one['id']}: {one['help']}: {one['nodes'][0]['html'][:150]}"
                for one in found
                if one["impact"] in SERIOUS
            ]
        return Look(name, self._form, sent, tuple(wrong))


def _listen(page: Page, url: str) -> list[str]:
    wrong: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith((url, "data:", "blob:")):
            wrong.append(f"request elsewhere: {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("request", on_request)
    return wrong
