"""The languages of pages: which there are, which one a browser wants, and what it reads then."""

from __future__ import annotations

import gettext
from functools import cache
from importlib.resources import files
from pathlib import Path

SOURCE = "en"
"""The language of the texts in the code."""

DOMAIN = "ostiary"
FOLDER = Path(str(files("ostiary.pages"))) / "locale"


def mark(text: str) -> str:
    """Return a text as it is; it is translated where it is shown."""
    return text


@cache
def languages() -> tuple[str, ...]:
    """Return the languages that there are."""
    return (SOURCE, *sorted(file.parent.parent.name for file in FOLDER.glob("*/LC_MESSAGES/*.mo")))


@cache
def translations(language: str) -> gettext.NullTranslations:
    """Return the catalogue of a language."""
    return gettext.translation(DOMAIN, FOLDER, [language], fallback=True)


def wanted(accepted: str | None) -> str:
    """Return the best language for a browser (``Accept-Language``; RFC 9110, 12.5.4)."""
    ranges = [_weighed(one) for one in (accepted or "").split(",")[:32]]
    for _, tag in sorted(ranges, key=lambda one: -one[0]):
        language = tag.partition("-")[0]
        if language in languages():
            return language
    return SOURCE


def _weighed(written: str) -> tuple[float, str]:
    tag, _, weight = written.partition(";")
    try:
        return float(weight.strip().removeprefix("q=") or 1), tag.strip().lower()
    except ValueError:
        return 0.0, ""
