"""Declaring a page: its paths, who may see it, and where it stands in the navigation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from ostiary.actions import Route
from ostiary.request import Answer

if TYPE_CHECKING:
    from ostiary.pages.visit import Visit

Handler = Callable[["Visit"], Awaitable[Answer]]


class Section(Struct, frozen=True):
    """A part of the console, as the navigation shows it to who may use it.

    :param label: English, marked for translation.
    :param needs: the action, as ``controller:action``, without which nothing can be seen there;
        several with blanks between them, where one of them is enough.
    """

    path: str
    label: str
    needs: str


class Page(Struct, frozen=True):
    """A page, or what a form of a page is sent to.

    :param public: it is for who has not signed in, too.
    :param needs: the action without which it is of no use; who may not run it does not see it.
    :param arrival: browsers come here from elsewhere, with a fragment that a reload could lose: it
        is shown as it is, to whom it takes for a stranger. Its script has it loaded once more.
    """

    routes: tuple[Route, ...]
    run: Handler
    public: bool
    needs: str | None
    arrival: bool = False


class Pages:
    """The pages of one module.

    :param section: what they belong to in the console; without ``needs`` of its own each of them
        needs what the section needs.
    """

    def __init__(self, section: Section | None = None) -> None:
        self.section = section
        self._pages: list[Page] = []

    def __iter__(self) -> Iterator[Page]:
        return iter(self._pages)

    def get(
        self, path: str, *, public: bool = False, needs: str | None = None, arrival: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare a page. It changes nothing, whoever makes a browser ask for it."""
        return self._declared("GET", path, public, needs, arrival=arrival)

    def post(
        self, path: str, *, public: bool = False, needs: str | None = None
    ) -> Callable[[Handler], Handler]:
        """Declare what a form is sent to; only forms of our own pages arrive there."""
        return self._declared("POST", path, public, needs)

    def _declared(
        self, verb: str, path: str, public: bool, needs: str | None, *, arrival: bool = False
    ) -> Callable[[Handler], Handler]:
        needed = needs or (None if self.section is None else self.section.needs)

        def declare(run: Handler) -> Handler:
            self._pages.append(Page((Route(verb, path),), run, public, needed, arrival))
            return run

        return declare
