"""The languages of pages: which there are, which one a browser wants, and what it reads then.

Catalogues are those of gettext, ``locale/<language>/LC_MESSAGES/<domain>.mo``. Ours has the domain
``ostiary``; a plugin whose package holds one, named as the package, has its own words translated.
"""

from __future__ import annotations

import gettext
from functools import cache
from importlib.resources import files
from pathlib import Path

from ostiary.strategies import mark

__all__ = ["languages", "mark", "own_names", "said", "translations", "wanted"]

SOURCE = "en"
"""The language of the texts in the code."""

DOMAIN = "ostiary"
FOLDER = Path(str(files("ostiary.pages"))) / "locale"


OWN_NAME = mark("English")
"""A catalogue translates it to what its own language calls itself."""


@cache
def languages() -> tuple[str, ...]:
    """Return the languages that there are."""
    return (SOURCE, *sorted(file.parent.parent.name for file in FOLDER.glob("*/LC_MESSAGES/*.mo")))


@cache
def own_names() -> dict[str, str]:
    """Return the languages that there are, with what each is called by who speaks it."""
    return {language: said(language, (), OWN_NAME) for language in languages()}


@cache
def translations(language: str, packages: tuple[str, ...]) -> gettext.NullTranslations:
    """Return the catalogue of a language: ours, and where it knows nothing those of plugins.

    :param packages: the import packages of plugins.
    """
    found = gettext.translation(DOMAIN, FOLDER, [language], fallback=True)
    for package in packages:
        folder = str(files(package) / "locale")
        if gettext.find(package, folder, [language]) is not None:
            found.add_fallback(gettext.translation(package, folder, [language]))
    return found


def said(language: str, packages: tuple[str, ...], text: str) -> str:
    """Return a text in a language; one that no catalogue knows as it is."""
    # The translation of no text is what is told of a catalogue.
    return translations(language, packages).gettext(text) if text else text


def wanted(accepted: str | None, chosen: str | None = None) -> str:
    """Return the best language for a browser (``Accept-Language``; RFC 9110, 12.5.4).

    :param chosen: what who uses it has chosen.
    """
    if chosen in languages():
        return str(chosen)
    ranges = [_weighed(one) for one in (accepted or "").split(",")[:32]]
    for weight, tag in sorted(ranges, key=lambda one: -one[0]):
        language = tag.partition("-")[0]
        if weight > 0 and language in languages():
            return language
    return SOURCE


def _weighed(written: str) -> tuple[float, str]:
    tag, _, weight = written.partition(";")
    try:
        return float(weight.strip().removeprefix("q=") or 1), tag.strip().lower()
    except ValueError:
        return 0.0, ""
