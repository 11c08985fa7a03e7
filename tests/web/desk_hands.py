"""Three ways to use a page: with a mouse, with the keyboard alone, without any script. Never a shortcut of a test's."""

from __future__ import annotations

from typing import Literal

from playwright.sync_api import Locator, Page

Way = Literal["mouse", "keyboard", "no script"]
#: So many steps of the Tab key lead anywhere, or the page is not for people with a keyboard.
_MOST_STEPS = 600


class Hands:
    """One person's hands on one page."""

    def __init__(self, page: Page, way: Way) -> None:
        self.page = page
        self.way = way

    def press(self, target: Locator) -> None:
        """A link or a button."""
        if self.way == "keyboard":
            self.go_to(target)
            self.page.keyboard.press("Enter")
        else:
            target.click()

    def tick(self, target: Locator) -> None:
        """A box."""
        if self.way == "keyboard":
            self.go_to(target)
            self.page.keyboard.press("Space")
        else:
            target.check()

    def write(self, target: Locator, text: str) -> None:
        """In place of what stands there."""
        if self.way == "keyboard":
            self.go_to(target)
            self.page.keyboard.press("Control+a")
        else:
            target.click()
            target.press("Control+a")
        self.page.keyboard.insert_text(text)

    def choose(self, target: Locator, value: str) -> None:
        """Of a list, by its value."""
        if self.way != "keyboard":
            target.select_option(value)
            return
        self.go_to(target)
        wanted = target.evaluate("(e, value) => [...e.options].findIndex(o => o.value === value)", value)
        self.page.keyboard.press("Home")
        for _ in range(wanted):
            self.page.keyboard.press("ArrowDown")
        assert target.input_value() == value

    def go_to(self, target: Locator) -> None:
        """By the Tab key, from wherever the focus is."""
        target.wait_for()
        for _ in range(_MOST_STEPS):
            if target.evaluate("e => e === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no way by keyboard to {target}")
