"""The audit log: looked through, and followed while it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ostiary.pages.console.happenings import NAMES
from ostiary.pages.console.looking import address, beginning, end, given
from ostiary.pages.console.meaning import resolved
from ostiary.pages.declaring import Pages, Section
from ostiary.pages.languages import mark
from ostiary.pages.visit import Visit
from ostiary.request import Answer

PATH = "/-/console/audit"
TAIL, POSITION = f"{PATH}/tail", f"{PATH}/position"
SEARCH = ("security", "searchAuditLog")
SIZE = 30
KEPT = 10
"""Groups of entries, each of up to ``SIZE``, that a page which follows the log holds at most."""

FILTERS = ("event", "user", "author", "strategy", "address")
DAYS = ("since", "until")
PEOPLE = ("user", "author")

pages = Pages(Section(PATH, mark("Audit log"), "security:searchAuditLog"))


class Sought(Struct, frozen=True):
    """What is looked for: the fields of the form that are filled in."""

    fields: Mapping[str, str]

    @property
    def body(self) -> dict[str, Any]:
        """What the action is asked for; a day that is none counts as absent."""
        asked: dict[str, Any] = {name: self.fields[name] for name in FILTERS if name in self.fields}
        days = {
            "since": beginning(self.fields.get("since", "")),
            "until": end(self.fields.get("until", "")),
        }
        return asked | {name: instant for name, instant in days.items() if instant is not None}


@pages.get(PATH)
async def entries(visit: Visit) -> Answer:
    """Show a page of entries, the newest first; ``before`` goes back, ``live`` follows."""
    fields, meant = await resolved(visit, PATH, given(visit.query, (*FILTERS, *DAYS)), PEOPLE)
    sought = Sought(fields)
    before = visit.query.number("before") or None
    live = before is None and "live" in visit.query
    body = sought.body | ({} if before is None else {"search_after": before})
    found = await visit.call(*SEARCH, body, size=SIZE)
    hits = found["hits"]
    return visit.page(
        "console/audit_log.html",
        sought=sought.fields,
        meant=meant,
        names=NAMES,
        strategies=await visit.strategies(),
        hits=hits,
        total=found["total"],
        live=live,
        after=found["position"],
        group=0,
        at=lambda **also: address(PATH, sought.fields, also),
        tail=address(TAIL, sought.fields),
        position=address(POSITION, sought.fields),
        before=before,
        oldest=hits[-1]["_id"] if len(hits) == SIZE else None,
    )


@pages.get(TAIL)
async def tail(visit: Visit) -> Answer:
    """Return the entries after the last one that is shown, as parts that htmx puts into the page.

    Of more than fit, the newest are shown and the others counted.
    """
    if not visit.by_htmx:
        return visit.redirect(PATH)
    sought, after, group = _sought(visit), visit.query.number("after"), visit.query.number("group")
    found = await visit.call(*SEARCH, sought.body | {"newerThan": after}, size=SIZE)
    hits, skipped = found["hits"][::-1], found["total"] - len(found["hits"])
    if skipped > 0:
        found = await visit.call(*SEARCH, sought.body, size=SIZE)
        hits = found["hits"]
    return visit.page(
        "console/audit_tail.html",
        hits=hits,
        names=NAMES,
        at=lambda **also: address(PATH, sought.fields, also),
        skipped=max(0, skipped),
        after=found["position"],
        former=group,
        group=group + bool(hits),
        gone=group + 1 - KEPT,
    )


@pages.get(POSITION)
async def position(visit: Visit) -> Answer:
    """Stop to follow the log, or go on from where it was stopped."""
    if not visit.by_htmx:
        return visit.redirect(PATH)
    sought = _sought(visit)
    return visit.page(
        "console/audit_following.html",
        following="on" in visit.query,
        tail=address(TAIL, sought.fields),
        position=address(POSITION, sought.fields),
        at=lambda **also: address(PATH, sought.fields, also),
    )


def _sought(visit: Visit) -> Sought:
    return Sought(given(visit.query, (*FILTERS, *DAYS)))
