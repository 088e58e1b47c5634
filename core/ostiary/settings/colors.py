"""Colours, and whether what is written in them can be read (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from ostiary.settings.declaring import Kind

ENOUGH = 4.5
"""The contrast of text (WCAG 2.2, 1.4.3, level AA)."""

WRITTEN = re.compile(r"#[0-9a-fA-F]{6}")
STEPS = 20
NEARLY_BLACK = 0.04045
"""Where the curve of sRGB begins (IEC 61966-2-1)."""


class Color(NamedTuple):
    """A colour of sRGB, each part from 0 to 255."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @classmethod
    def read(cls, written: str) -> Color:
        """Read ``#rrggbb``."""
        return cls(*bytes.fromhex(written[1:]))

    @property
    def luminance(self) -> float:
        """Relative luminance, from 0 to 1 (WCAG 2.2, relative luminance)."""
        red, green, blue = map(_linear, self)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def mixed(self, other: Color, share: float) -> Color:
        """Return the colour with a share of another, from 0 to 1."""
        return Color(*(round(a + (b - a) * share) for a, b in zip(self, other, strict=True)))


WHITE, BLACK = Color(255, 255, 255), Color(0, 0, 0)
LIGHT = (WHITE, Color.read("#f3f4f7"))
DARK = (Color.read("#14171d"), Color.read("#1e232c"))
"""What is behind texts: ``--paper`` and ``--wash`` of the stylesheet, by light and in the dark."""


def contrast(one: Color, other: Color) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    lighter, darker = sorted((one.luminance, other.luminance), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def least(color: Color, behind: tuple[Color, ...]) -> float:
    """Return the contrast of a colour with what it stands out from least."""
    return min(contrast(color, one) for one in behind)


def on(color: Color) -> Color:
    """Return black or white, whichever is read better on a colour: one of them always can be."""
    return max(WHITE, BLACK, key=lambda one: contrast(one, color))


def lightened(color: Color) -> Color:
    """Return a colour, with as much white as it needs to be read in the dark."""
    mixed = (color.mixed(WHITE, step / STEPS) for step in range(STEPS + 1))
    return next(one for one in mixed if least(one, DARK) >= ENOUGH)


def _linear(part: int) -> float:
    share = part / 255
    return share / 12.92 if share <= NEARLY_BLACK else ((share + 0.055) / 1.055) ** 2.4


def color(value: Any) -> str:
    """Read a colour as stylesheets write it."""
    if not isinstance(value, str) or not WRITTEN.fullmatch(value):
        raise ValueError("not a colour")
    return value.lower()


Written = Annotated[str | None, Kind(color, 'a colour such as "#2850a8"')]


@dataclass(frozen=True, kw_only=True)
class Colors:
    """The colours of the pages, as far as an operator chooses them."""

    accent: Annotated[
        Written, "The colour of links, of buttons and of what has the focus, where pages are light."
    ] = None
    accent_dark: Annotated[
        Written, "The same where they are dark; by default the other one, as light as it must be."
    ] = None

    def __post_init__(self) -> None:
        """Refuse what could not be read."""
        self._check("accent", self.accent, LIGHT)
        self._check("accentDark", self.accent_dark, DARK)

    def _check(self, key: str, written: str | None, behind: tuple[Color, ...]) -> None:
        if written is None:
            return
        found = least(Color.read(written), behind)
        if found < ENOUGH:
            raise ValueError(
                f"{key}: {written} has a contrast of {found:.2f} with what is behind it, and is to "
                f"have {ENOUGH} to be read (WCAG 2.2, 1.4.3)"
            )
