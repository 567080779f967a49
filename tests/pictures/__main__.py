"""Pictures of every page in both languages, light and dark, from phone to wall, and what is wrong
with each: console errors, serious findings of axe, requests elsewhere, pages wider than their
window, first loads of members' pages above 120 kB.

    .venv/bin/python -m tests.pictures                    # servers of its own, the demo's past
    .venv/bin/python -m tests.pictures --pages device overview --widths 390 --languages pt-br
    .venv/bin/python -m tests.pictures --pages admin --widths 390 1366   # all pages of the admin

    set -a; . .local/stack.env; set +a                    # or what `make up` runs
    .venv/bin/python -m tests.pictures --url $WEB_URL

Pictures lie in .local/pictures, named page-language-theme-width.png. Exit code 1 when anything is
wrong.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.progress import track
from rich.table import Table

from compose.local.layout import LOCAL, StackError
from tests.acceptance.browser import ARGUMENTS, find_browser
from tests.pictures.look import MOST_BYTES, Eye, Form, Look
from tests.pictures.pages import (
    ADMIN,
    OPEN_PAGES,
    find_addresses,
    find_admin_addresses,
    open_screen,
    sign_in,
    sign_in_admin,
)
from tests.pictures.stage import Stage, set_stage

LANGUAGES, THEMES, WIDTHS = ("en", "pt-br"), ("light", "dark"), (320, 390, 1366, 1920)


def main() -> int:
    """Look at all that is asked for; the exit code says whether all is well."""
    options = read_options()
    program = find_browser()
    if program is None:
        sys.exit("error: Chromium is not installed: make test installs it (Debian, as root)")
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    forms = [Form(*one) for one in product(options.languages, options.themes, options.widths)]
    try:
        with find_stage(options) as stage:
            return show(look_at_all(stage, forms, program, folder, chosen=options.pages))
    except StackError as error:
        sys.exit(f"error: {error}")


def read_options() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="", help="a web process that runs already")
    parser.add_argument("--user", default=os.environ.get("DEMO_MEMBER", "member"))
    parser.add_argument("--admin", default=os.environ.get("ADMIN_USER", "admin"))
    parser.add_argument("--folder", default=str(LOCAL / "pictures"))
    parser.add_argument("--pages", nargs="+", default=[], help="names; all when left out")
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=LANGUAGES)
    parser.add_argument("--themes", nargs="+", choices=THEMES, default=THEMES)
    parser.add_argument("--widths", nargs="+", type=int, default=WIDTHS)
    return parser.parse_args()


@contextmanager
def find_stage(options: argparse.Namespace) -> Iterator[Stage]:
    """The stack that is named, or one of our own."""
    if options.url:
        yield Stage(
            options.url.rstrip("/"), options.user, os.environ.get("MEMBER_PASSWORD", ""),
            options.admin, os.environ.get("ADMIN_PASSWORD", ""),
        )  # fmt: skip
        return
    with set_stage() as stage:
        yield stage


def look_at_all(
    stage: Stage, forms: list[Form], program: str, folder: Path, *, chosen: list[str]
) -> list[Look]:
    """Each page in each form."""
    looks = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        with browser.new_context(base_url=stage.url) as visit:
            page = sign_in(visit, user=stage.user, password=stage.password)
            addresses = find_addresses(page)
            with open_screen(page, addresses["screens"]) as screen:
                addresses["kiosk"] = screen
                states = {False: visit.storage_state()}
                with browser.new_context(base_url=stage.url) as other:
                    page = sign_in_admin(
                        other, user=stage.administrator, password=stage.administrator_password
                    )
                    addresses |= find_admin_addresses(page)
                    states[True] = other.storage_state()
                unknown = set(chosen) - set(addresses) - {"admin"}
                if unknown:
                    sys.exit(f"error: no page {', '.join(unknown)}: {', '.join(addresses)}")
                names = list(addresses)
                if chosen:
                    names = [one for one in names if one in chosen or one.split("-")[0] in chosen]
                for form, name in track(list(product(forms, names)), transient=True):
                    is_admin = name.startswith(ADMIN)
                    eye = Eye(browser, stage.url, form, state=states[is_admin], folder=folder)
                    is_own = name not in (*OPEN_PAGES, "kiosk")
                    looks.append(
                        eye.look(name, addresses[name], signed_in=is_own, is_admin=is_admin)
                    )
        browser.close()
    return looks


def show(looks: list[Look]) -> int:
    """The heaviest load of each page, and all that is wrong."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table("page", "forms", f"kB (at most {MOST_BYTES // 1000})", "wrong")
    for name in dict.fromkeys(one.page for one in looks):
        of = [one for one in looks if one.page == name]
        most = max(one.bytes for one in of)
        count = sum(len(one.wrong) for one in of)
        table.add_row(name, str(len(of)), f"{most / 1000:.1f}", str(count or "-"))
    console.print(table)
    wrong = [f"{one.page} {one.form.name}: {text}" for one in looks for text in one.wrong]
    for line in wrong:
        console.print(line, markup=False)
    console.print(f"{len(looks)} looks, {len(wrong)} findings")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
