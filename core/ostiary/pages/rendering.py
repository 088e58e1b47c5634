"""Drawing pages from templates: escaped, in the language of who reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ostiary.pages.credentials import is_secret
from ostiary.pages.devices import device
from ostiary.pages.languages import own_names, said, translations
from ostiary.pages.quantities import count, measured
from ostiary.pages.static import address_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def environment(language: str, packages: tuple[str, ...]) -> Environment:
    """Return what draws pages in a language.

    Its filter ``said`` translates a text that a plugin has declared. ``_()`` is for texts of our
    own alone: what that returns is not escaped.

    :param packages: those of plugins, whose words may be translated too.
    """
    made = Environment(
        loader=PackageLoader("ostiary.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    catalogue = translations(language, packages)
    made.install_gettext_callables(  # type: ignore[attr-defined]
        catalogue.gettext, catalogue.ngettext, newstyle=True
    )
    made.globals |= {"asset": address_of, "languages": own_names()}
    made.tests["secret"] = is_secret
    made.filters |= {
        "device": partial(device, catalogue.gettext),
        "iso": iso,
        "instant": instant,
        "measured": measured,
        "moment": moment,
        "number": count,
        "segment": segment,
        "json": as_json,
        "prose": prose,
        "said": partial(said, language, packages),
    }
    return made


def draw(language: str, packages: tuple[str, ...], template: str, values: dict[str, Any]) -> str:
    """Return a page as HTML."""
    return environment(language, packages).get_template(template).render(values)


def iso(milliseconds: int) -> str:
    """Return an instant as machines read it (RFC 3339)."""
    return _at(milliseconds).isoformat(timespec="seconds").replace("+00:00", "Z")


def instant(milliseconds: int) -> str:
    """Return an instant as people read it."""
    return _at(milliseconds).strftime("%Y-%m-%d %H:%M UTC")


def moment(milliseconds: int) -> str:
    """Return an instant as people read it, to the second."""
    return _at(milliseconds).strftime("%Y-%m-%d %H:%M:%S UTC")


def segment(text: object) -> str:
    """Return a text as one segment of a path."""
    return quote(str(text), safe="")


def as_json(value: object) -> str:
    """Return a value as it is written in JSON."""
    return json.dumps(value, ensure_ascii=False)


def prose(text: str) -> Markup:
    """Return a text of the documentation, in which what stands between backticks is code."""
    words, code = Markup("{}"), Markup("<code>{}</code>")
    parts = enumerate(text.split("`"))
    return Markup().join((code if place % 2 else words).format(part) for place, part in parts)


def _at(milliseconds: int) -> datetime:
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
