"""Clicks, counted: what a newcomer has to press. Filling in and choosing in a form are none."""

from playwright.sync_api import Locator


class Clicks:
    """Call it with what is pressed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, locator: Locator) -> None:
        self.count += 1
        locator.click()
