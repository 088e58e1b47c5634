"""Devices: what a user agent says of itself, in the words of people.

It may say what it likes, so this is a hint for who looks at a list, and nothing rests on it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from ostiary.pages.languages import mark

if TYPE_CHECKING:
    from ua_parser import OS, Parser, UserAgent

LONGEST = 512
"""Characters that are looked at: some expressions take a while with long texts."""

SHOWN = 60
"""Characters that are shown of what nobody knows."""

ON = mark("{0} on {1}")
UNKNOWN = mark("Unknown device")


def device(translate: Callable[[str], str], agent: str | None) -> str:
    """Return what a device is called, such as ``Firefox 128 on Windows 11``.

    Of an agent that is not known the beginning is shown as it is; it is no markup.

    :param translate: returns a text in the language of who reads it.
    :param agent: the header ``User-Agent`` (RFC 9110, 10.1.5).
    """
    if not agent:
        return translate(UNKNOWN)
    browser, system = _known(agent[:LONGEST])
    if browser and system:
        return translate(ON).format(browser, system)
    return browser or system or _short(agent)


@lru_cache(maxsize=1024)
def _known(agent: str) -> tuple[str, str]:
    """Return the names of the browser and of the system; empty where they are not known."""
    from ua_parser import Domain

    found = _parser()(agent, Domain.USER_AGENT | Domain.OS)
    return _named(found.user_agent), _named(found.os)


@cache
def _parser() -> Parser:
    # About 4 MB: only a server has them whose pages show devices. Expressions are compiled as far
    # as they are needed.
    from ua_parser import Parser
    from ua_parser.basic import Resolver
    from ua_parser.loaders import load_lazy_builtins

    return Parser(Resolver(load_lazy_builtins()))


def _named(what: UserAgent | OS | None) -> str:
    if what is None:
        return ""
    return f"{what.family} {what.major}" if what.major else what.family


def _short(agent: str) -> str:
    return agent if len(agent) <= SHOWN else f"{agent[:SHOWN]}…"
