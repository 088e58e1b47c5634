"""Where pages are, as plugins are told it; and which strategies they offer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ostiary.settings import Settings, SettingsError, load


def settings(**given: Any) -> Settings:
    return load(
        config=None,
        environment={"HOME": str(Path.home())},
        overrides={name.replace("__", "."): value for name, value in given.items()},
    )


@pytest.mark.parametrize(
    "given, url",
    [
        ({}, None),
        ({"server__publicUrl": "https://auth.example.com"}, "https://auth.example.com/-/forms"),
        ({"server__publicUrl": "https://auth.example.com/"}, "https://auth.example.com/-/forms"),
        ({"server__publicUrl": "http://localhost:7512"}, "http://localhost:7512/-/forms"),
        # Whoever reads a code on its way takes the account over.
        ({"server__publicUrl": "http://auth.example.com"}, None),
        ({"server__publicUrl": "https://auth.example.com", "pages__enabled": False}, None),
        (
            {
                "server__publicUrl": "https://auth.example.com",
                "http__cookieAuthentication": False,
            },
            None,
        ),
    ],
    ids=str,
)
def test_links_lead_to_pages_only_where_they_are_and_safe(
    given: dict[str, Any], url: str | None
) -> None:
    assert settings(**given).pages_url == url


@pytest.mark.parametrize(
    "given, warned",
    [
        ({"server__publicUrl": "https://auth.example.com/"}, False),
        ({"server__publicUrl": "https://example.com/auth"}, True),
        ({"server__publicUrl": "https://example.com/auth", "pages__enabled": False}, False),
    ],
    ids=str,
)
def test_pages_below_a_path_would_lead_elsewhere(given: dict[str, Any], warned: bool) -> None:
    assert any("server.publicUrl has a path" in one for one in settings(**given).warnings) is warned


def test_a_strategy_has_one_place() -> None:
    with pytest.raises(SettingsError, match="local stands there twice"):
        settings(pages__strategies=["local", "door", "-local"])
