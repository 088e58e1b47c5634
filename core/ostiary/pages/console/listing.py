"""A page of roles or of profiles, of all those whose ids hold a text."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from ostiary.pages.visit import Visit

SIZE = 50
WILD = re.compile(r"[\\*?]")


class Found(Struct, frozen=True):
    """A part of what was found.

    :ivar start: how many stand before it.
    :ivar size: how many a page has at most.
    """

    hits: list[dict[str, Any]]
    total: int
    start: int
    text: str
    size: int = SIZE


async def listed(visit: Visit, action: str, *also: dict[str, Any]) -> Found:
    """Search as the address of a page says: ``q`` is part of an id, ``from`` where to begin.

    :param also: further clauses.
    """
    text, start = visit.query.text("q").strip(), visit.query.number("from")
    clauses = list(also)
    if text:
        pattern = f"*{WILD.sub(lambda found: chr(92) + found[0], text)}*"
        wanted = {"value": pattern, "case_insensitive": True}
        clauses.append({"wildcard": {"_id": wanted}})
    body = {"query": {"bool": {"filter": clauses}}} if clauses else {}
    answer = await visit.call(
        "security", action, {**body, "sort": ["_id"]}, size=SIZE, **{"from": start}
    )
    return Found(answer["hits"], answer["total"], start, text)
