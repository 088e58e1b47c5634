"""Whose names in credentials are like a text: each strategy searches its own, where it can."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ostiary import errors
from ostiary.pages.credentials import is_secret
from ostiary.pages.problems import Refused
from ostiary.pages.visit import Visit

MOST_NAMED = 100
"""Credentials with a name that begins as wanted, in each field of a strategy, that are looked at."""

FEWEST = 3
"""Characters from which on names in credentials are searched by how they begin."""

NOT_SEARCHED = (400, 403, 404, 501)
"""What a strategy answers that does not search for this."""

FAILED = 500
"""The least status of what one answers that cannot search now."""


class Named(Struct, frozen=True):
    """The users who have a name in their credentials that begins as wanted.

    :ivar cut: more credentials had such a name than were looked at.
    :ivar silent: the labels of strategies that cannot search for them now.
    """

    kuids: Sequence[str] = ()
    cut: bool = False
    silent: Sequence[str] = ()


def clause_of(text: str) -> str:
    """Return how names in credentials are searched for a text: by how they begin, or as a whole."""
    return "prefix" if len(text) >= FEWEST else "term"


async def named_so(visit: Visit, text: str, clause: str) -> Named:
    """Return who has such a name in their credentials.

    :param clause: ``term`` or ``prefix``; see ``clause_of``.
    """
    kuids: dict[str, None] = {}
    cut, silent = False, []
    for strategy in await visit.strategies() if text else ():
        if not visit.may("security", "searchUsersByCredentials", strategy=strategy["name"]):
            continue
        try:
            async for found in _searched(visit, strategy, text, clause):
                kuids |= dict.fromkeys(one["kuid"] for one in found["hits"])
                cut = cut or found["total"] > len(found["hits"])
        except Refused as refused:
            if refused.status < FAILED:
                raise
            # One plugin that fails must not keep the others from being searched.
            silent.append(str(strategy["label"]))
    return Named(list(kuids), cut, silent)


async def _searched(
    visit: Visit, strategy: Mapping[str, Any], text: str, clause: str
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield what is found in each field of a strategy that can be searched."""
    for field in strategy["fields"]:
        if field["kind"] == "json" or is_secret(field):
            continue
        body = {"query": {clause: {field["name"]: text}}, "sort": field["name"]}
        try:
            yield await visit.call(
                "security",
                "searchUsersByCredentials",
                body,
                strategy=strategy["name"],
                size=MOST_NAMED,
            )
        except Refused as refused:
            missing = refused.id == errors.MissingOptionalMethod.id
            if not missing and refused.status not in NOT_SEARCHED:
                raise
