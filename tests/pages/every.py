"""Every page that is declared, and what stands for the names in the paths of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from ostiary.pages import console, site
from ostiary.pages.declaring import Page

NAME = re.compile(r"\{(\w+)\}")
MODULES = (*site.PUBLIC, *console.MODULES)

Values = Mapping[str, Mapping[str, str]]
"""What stands for a name, by the beginning of the path and the name; the longest beginning holds."""


@dataclass(frozen=True)
class Place:
    """A page, or what a form is sent to, as it was declared.

    :ivar path: with names in braces.
    """

    verb: str
    path: str
    page: Page

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"

    def filled(self, values: Values) -> str:
        """Return the path with something for each of its names."""
        known: dict[str, str] = {}
        for beginning in sorted(values, key=len):
            if self.path.startswith(beginning):
                known |= values[beginning]
        missing = set(NAME.findall(self.path)) - known.keys()
        assert not missing, f"say in the tests of every page what {missing} is in {self.path}"
        return NAME.sub(lambda name: quote(known[name[1]], safe=""), self.path)


def places(wanted: Callable[[Place], bool]) -> list[Place]:
    """Return the pages, and what their forms are sent to, that are wanted."""
    return [place for place in _all() if wanted(place)]


def _all() -> Iterator[Place]:
    for module in MODULES:
        for page in module.pages:
            for route in page.routes:
                yield Place(route.verb, route.path, page)
