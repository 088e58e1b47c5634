"""What stands behind the pages: all that they are given of the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from ostiary.cookies import Cookies
from ostiary.dispatch import Dispatcher
from ostiary.origins import Origins
from ostiary.settings.pages import Pages


class Behind(Struct, frozen=True, kw_only=True):
    """What stands behind the pages.

    :param return_addresses: where browsers may be sent on to.
    :param strategies: describes those that are installed, to whoever is to choose one: signing in
        is for everybody, and so is what it offers.
    :param key: what forms are signed with.
    :param packages: those of the plugins, which may bring words in other languages.
    """

    settings: Pages
    return_addresses: tuple[str, ...]
    dispatcher: Dispatcher
    cookies: Cookies
    origins: Origins
    strategies: Callable[[], Awaitable[list[dict[str, Any]]]]
    key: bytes
    packages: tuple[str, ...]
