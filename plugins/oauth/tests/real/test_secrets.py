"""What a real browser is seen to send, and what another one can make of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from .visitors import Visitor

TOKEN = re.compile(r"kauth-|eyJ[A-Za-z0-9_-]{8,}")
"""How tokens of the server and of providers begin."""


@pytest.mark.parametrize("way", ["plain", "cookie", "code"])
@pytest.mark.parametrize("strategy", ["npm", "canaille"])
def test_no_token_and_no_secret_is_ever_in_an_address(
    visitor: Visitor, strategy: str, way: str
) -> None:
    """OAU-19: neither asked for, nor said to have come from, nor kept in the history."""
    visitor.open_application(way)
    visitor.sign_in(strategy, "ann")
    visitor.page.wait_for_load_state("networkidle")
    seen = [*visitor.sent, visitor.page.url]
    assert any("code=" in address for address in seen)
    for address in seen:
        assert not TOKEN.search(address)
        assert "-has-this-secret-" not in address
        assert "codeVerifier" not in address
    # What came in the fragment is not in the history any more.
    assert "#" not in visitor.page.url


def test_another_browser_cannot_finish_a_login(visitors: Callable[[], Visitor]) -> None:
    """OAU-03, OAU-04: a link that somebody else's login is in signs nobody in."""
    attacker, victim = visitors(), visitors()
    attacker.open_application("plain")
    back = attacker.stop_before_the_return("npm", "mallory")
    given = parse_qs(urlsplit(back).query)
    assert {"code", "state"} <= given.keys()
    victim.page.goto(back)
    answer = victim.answer()
    assert answer["error"]["id"] == "ostiary.login.flow_over"
    # It was not the link: the browser that began can still use it, and only once.
    attacker.page.goto(back)
    assert attacker.answer()["status"] == 200
    attacker.page.goto(back)
    assert attacker.answer()["error"]["id"] == "ostiary.login.flow_over"
