"""Pages are used without a mouse, and in the colours that people need."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import PASSWORD, Site
from .visitors import Screen

MOST = 100
"""Steps from one end of the page to the other, at most."""

FOCUS = "(document.activeElement.innerText || document.activeElement.name).trim()"


def test_signing_in_takes_no_mouse(site: Site, open_screen: Callable[[str, str], Screen]) -> None:
    screen = open_screen(site.url, "desktop")
    page = screen.open("/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    box = skip.bounding_box()
    assert page.evaluate(FOCUS) == "Skip to the content"
    assert box is not None
    assert box["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for name, typed in (("username", "root"), ("password", PASSWORD)):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == name
        page.keyboard.type(typed)
    page.keyboard.press("Enter")
    page.wait_for_url("**/-/account")
    reached: list[str] = []
    for _ in range(MOST):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUS))
        if reached[-1] == "Français":
            break
    else:
        pytest.fail(f"the end of the page is not reached: {reached}")
    assert reached[:2] == ["Skip to the content", "Ostiary"]
    assert {"My account", "Console", "Sign out", "Sessions", "Save", "English"} <= set(reached)


def test_colours_and_motion_are_those_that_people_need(
    site: Site, open_screen: Callable[[str, str], Screen]
) -> None:
    screen = open_screen(site.url, "desktop")
    page = screen.open("/")
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    button = page.get_by_role("button", name="Sign in")
    assert button.evaluate("one => getComputedStyle(one).borderStyle") == "solid"
    button.focus()
    assert button.evaluate("one => getComputedStyle(one).outlineStyle") != "none"
    assert page.evaluate("document.getAnimations().length") == 0
