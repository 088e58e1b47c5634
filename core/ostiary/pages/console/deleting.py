"""How a role or a profile is deleted: who would lose what is said first, and then asked about."""

from __future__ import annotations

from typing import Any

from ostiary.errors import ProfileNotDeletable, RoleNotDeletable
from ostiary.pages.console.saving import BASE, KINDS, STRANGERS, Draft, Preview, preview
from ostiary.pages.problems import Problem, Refused, status_of
from ostiary.pages.rendering import segment
from ostiary.pages.visit import Visit
from ostiary.request import Answer

LEFT = {"policies": [{"roleId": STRANGERS}]}
"""What is left to users who had no other profile: what everybody may do."""

LASTING = {"role": RoleNotDeletable, "profile": ProfileNotDeletable}
"""Why what is always there is not deleted."""

NAMED = 20
"""Profiles that are named."""


async def ask(visit: Visit, kind: str, problem: Problem | None = None, **told: Any) -> Answer:
    """Return the page that says what would be lost, and asks.

    :param kind: ``role`` or ``profile``.
    :param problem: why it is not deleted.
    """
    id, action = visit.values["id"], f"get{KINDS[kind]}"
    if visit.may("security", action):
        # Of what is not there nothing is said.
        await visit.call("security", action, _id=id)
    lasting = id in BASE
    if lasting:
        problem = Refused.of(LASTING[kind]())
    return visit.page(
        f"console/{kind}_delete.html",
        status_of(problem),
        id=id,
        lasting=lasting,
        here=f"/-/console/{kind}s/{segment(id)}",
        problem=problem,
        **told,
    )


async def delete(visit: Visit, kind: str, **args: Any) -> Refused | None:
    """Delete a role or a profile; return why not, if it is not deleted."""
    try:
        await visit.call("security", f"delete{KINDS[kind]}", _id=visit.values["id"], **args)
    except Refused as refused:
        return refused
    return None


async def naming(visit: Visit) -> dict[str, Any] | None:
    """Return the profiles that name a role: some ids, and how many; None without the right to know."""
    if not visit.may("security", "searchProfiles"):
        return None
    body = {"query": {"terms": {"policies.roleId": [visit.values["id"]]}}, "sort": ["_id"]}
    found = await visit.call("security", "searchProfiles", body, size=NAMED)
    return {"hits": [one["_id"] for one in found["hits"]], "total": found["total"]}


async def lost(visit: Visit) -> Preview | None:
    """Return who would lose what with a profile; None without the right to know."""
    seen, _ = await preview(visit, Draft("profile", visit.values["id"], LEFT))
    return seen
