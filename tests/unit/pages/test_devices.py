"""Devices as people call them, from what user agents say of themselves."""

from __future__ import annotations

import pytest

from ostiary.pages.devices import LONGEST, SHOWN, device
from ostiary.pages.rendering import environment

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
PIXEL = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "agent, called",
    [
        (FIREFOX, "Firefox 128 on Windows 10"),
        (PIXEL, "Chrome 126 on Android 14"),
        ("curl/8.5.0", "curl 8"),
        ("our own client", "our own client"),
        (None, "Unknown device"),
        ("", "Unknown device"),
    ],
)
def test_a_device_is_called_what_people_know_it_by(agent: str | None, called: str) -> None:
    assert device(str, agent) == called


def test_of_what_nobody_knows_the_beginning_is_shown() -> None:
    assert device(str, "x" * (2 * LONGEST)) == "x" * SHOWN + "…"


def test_an_agent_is_no_markup() -> None:
    shown = environment("en", ()).from_string("{{ agent | device }}").render(agent=HOSTILE)
    assert "<" not in shown
