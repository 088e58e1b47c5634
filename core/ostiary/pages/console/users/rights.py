"""What a user may do, and why: which rule of which role of which profile lets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from ostiary.pages.console.users.paths import ONE
from ostiary.pages.declaring import Pages
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages()


@pages.get(f"{ONE}/rights", needs="security:explainUserRights")
async def user_rights(visit: Visit) -> Answer:
    """Show every action that a user may run; ``q`` leaves those whose names hold a text."""
    told = await visit.call("security", "explainUserRights", _id=visit.values["id"])
    text = visit.query.text("q").strip()
    shown = [hit for hit in told["hits"] if text.lower() in _name(hit).lower()]
    return visit.page(
        "console/users/rights.html",
        id=visit.values["id"],
        told=told,
        controllers=_by_controller(shown),
        shown=len(shown),
        text=text,
    )


def _name(hit: Mapping[str, Any]) -> str:
    return f"{hit['controller']}:{hit['action']}"


def _by_controller(
    hits: Iterable[Mapping[str, Any]],
) -> list[tuple[str, list[Mapping[str, Any]]]]:
    return [
        (controller, list(several))
        for controller, several in groupby(hits, key=lambda hit: str(hit["controller"]))
    ]
