"""How an operator has pages look: a logo, and a small stylesheet with their colours."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ostiary.pages.static import KINDS, File, address_of
from ostiary.request import Answer
from ostiary.settings import SettingsError
from ostiary.settings.colors import Color, Colors, lightened, on
from ostiary.settings.logo import Logo, read_logo
from ostiary.settings.pages import Pages as Settings

logger = logging.getLogger(__name__)

STYLESHEET, LOGO, ICON = "theme.css", "logo", "icon.svg"

APART = {
    # A picture of somebody else's: opened by itself it is no page of ours, and runs nothing.
    "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "cross-origin-resource-policy": "same-origin",
}


class Theme:
    """What a server adds to the files that all have.

    :ivar stylesheet: its address; None if the colours are ours.
    :ivar logo: the address of the picture; None if there is none.
    :ivar icon: the address of what browsers show beside the title of a page.
    """

    def __init__(self, settings: Settings) -> None:
        self._files: dict[str, File] = {}
        colors, logo = _rules(settings.colors), _logo(settings)
        self.stylesheet = self._added(STYLESHEET, colors, KINDS["css"], {}) if colors else None
        self.logo = self._added(LOGO, logo.content, logo.kind, APART) if logo else None
        self.icon = self.logo or address_of(ICON)

    def served(self, name: str, version: str) -> Answer | None:
        """Return a version of a file, or None if there is none of this name."""
        file = self._files.get(name)
        return None if file is None else file.served(version)

    def _added(self, name: str, content: bytes, kind: str, headers: Mapping[str, str]) -> str:
        self._files[name] = File.of(name, kind, content, headers)
        return self._files[name].address


def _rules(colors: Colors) -> bytes:
    """Return the stylesheet; none where no colour is set."""
    light, dark = colors.accent, colors.accent_dark
    if dark is None and light is not None:
        dark = str(lightened(Color.read(light)))
    rules = [_rule(light)] if light else []
    if dark:
        rules.append(f"@media (prefers-color-scheme: dark) {{ {_rule(dark)} }}")
    return "\n".join(rules).encode()


def _rule(accent: str) -> str:
    return f":root {{ --accent: {accent}; --on-accent: {on(Color.read(accent))}; }}"


def _logo(settings: Settings) -> Logo | None:
    try:
        return None if settings.logo is None else read_logo(settings.logo)
    except SettingsError as error:
        # It was there at the start; pages do without.
        logger.warning("%s", error)
        return None
