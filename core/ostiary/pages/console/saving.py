"""How a role or a profile is saved: what it would change is shown, asked about, and then done."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from ostiary import errors
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken, Problem, Refused, status_of
from ostiary.pages.rendering import segment
from ostiary.pages.visit import Visit
from ostiary.request import Answer

MANY = 10
"""Users whom nothing is taken from without being asked about."""

STRANGERS = "anonymous"
"""The profile of everybody who is not signed in."""

BASE = ("admin", "default", STRANGERS)
"""Roles and profiles that are always there: none of them is deleted."""

KINDS = {"role": "Role", "profile": "Profile"}
UNSEEN = mark("Read what this would take away, and confirm it.")
NO_ID = mark("Give it a name first.")


class Preview(Struct, frozen=True):
    """What saving would change.

    :ivar told: as ``previewRole`` and ``previewProfile`` tell it.
    :ivar refusal: what saving would end with.
    :ivar sign: what is to be confirmed, if anything is: of the rights that would be taken away.
    """

    told: Mapping[str, Any]
    refusal: Refused | None
    sign: str | None


Source = Mapping[str, Any]
"""A role or a profile as the API returns it."""


class Editing(Struct, frozen=True):
    """How far somebody has come who edits a role or a profile.

    :ivar stored: what is there now; None if it is to be made.
    :ivar since: when that was changed last, as it was read.
    :ivar problem: why it is not saved.
    :ivar seen: what saving would change, if that was asked.
    """

    stored: Source | None = None
    since: int | None = None
    problem: Problem | None = None
    seen: Preview | None = None

    @classmethod
    def of(cls, source: Source) -> Editing:
        """Begin with what is stored."""
        return cls(source, changed_at(source))


Editor = Callable[[Editing], Awaitable[Answer]]
"""Shows the fields."""


def drawn(visit: Visit, template: str, editing: Editing, **values: Any) -> Answer:
    """Return the page of an editor."""
    stored = editing.stored
    return visit.page(
        template,
        status_of(editing.problem),
        id=visit.values.get("id"),
        typed=visit.form.text("id"),
        lasting=visit.values.get("id") in BASE,
        history=None if stored is None else stored["_kuzzle_info"],
        since=editing.since,
        problem=editing.problem,
        overtaken=_is_overtaken(editing.problem),
        seen=editing.seen,
        **values,
    )


class Draft(Struct, frozen=True):
    """What somebody wants to save.

    :ivar kind: ``role`` or ``profile``.
    :ivar body: what is written; None if it cannot be read.
    :ivar mistake: why it cannot.
    :ivar args: further arguments of the actions that write and preview.
    """

    kind: str
    id: str
    body: Mapping[str, Any] | None
    mistake: Mistaken | None = None
    args: Mapping[str, Any] = {}


def draft(kind: str, id: str, make: Callable[[], Mapping[str, Any]], **args: Any) -> Draft:
    """Return what somebody wants to save, or why it cannot be read."""
    if not id.strip():
        return Draft(kind, id, None, Mistaken(NO_ID))
    try:
        return Draft(kind, id, make(), None, args)
    except Mistaken as mistake:
        return Draft(kind, id, None, mistake)


async def preview(visit: Visit, wanted: Draft) -> tuple[Preview | None, Problem | None]:
    """Return what saving would change; nothing where the right to ask is missing."""
    action = f"preview{KINDS[wanted.kind]}"
    if wanted.body is None or not visit.may("security", action):
        return None, wanted.mistake
    try:
        told = await visit.call("security", action, wanted.body, _id=wanted.id, **wanted.args)
    except Refused as refused:
        return None, refused
    error = told["refusal"]
    refusal = None if error is None else Refused(error["status"], error, {})
    return Preview(told, refusal, _sign(told)), None


async def finish(visit: Visit, wanted: Draft, stored: Source | None, editor: Editor) -> Answer:
    """Do what the button says that was pressed: show what saving would change, or save.

    :param stored: what is there now; None if it is to be made.
    :param editor: shows the fields again.
    """
    since = None if stored is None else visit.form.number("since")
    if visit.by_htmx or visit.form.text("do") == "preview":
        seen, problem = await preview(visit, wanted)
        if visit.by_htmx:
            return visit.page("console/preview.html", seen=seen, problem=problem)
        return await editor(Editing(stored, since, problem, seen))
    problem = await _unseen(visit, wanted, stored, since) or await _save(visit, wanted, since)
    if problem is None:
        done = "created" if stored is None else "saved"
        return visit.redirect(f"/-/console/{wanted.kind}s/{segment(wanted.id)}", done=done)
    if stored is not None and _is_overtaken(problem):
        # Who has seen what saving would undo may save all the same.
        since = changed_at(stored)
    seen, _ = await preview(visit, wanted)
    return await editor(Editing(stored, since, problem, seen))


def unconfirmed(visit: Visit, seen: Preview | None) -> Mistaken | None:
    """Return why nothing is done as long as what would be taken away is not confirmed."""
    if seen is None or seen.sign in (None, visit.form.text("sure")):
        return None
    return Mistaken(UNSEEN)


def changed_at(source: Source) -> int:
    """Return when a role or a profile was changed last."""
    history = source["_kuzzle_info"]
    return int(history["updatedAt"] or history["createdAt"])


async def _unseen(
    visit: Visit, wanted: Draft, stored: Source | None, since: int | None
) -> Mistaken | None:
    """Return why nothing is saved as long as what it would take away is not confirmed."""
    # Who has not seen what others have saved meanwhile is told that first.
    if stored is None or since != changed_at(stored):
        return None
    seen, _ = await preview(visit, wanted)
    return unconfirmed(visit, seen)


async def _save(visit: Visit, wanted: Draft, since: int | None) -> Problem | None:
    """Save a role or a profile; return why not, if it is not saved.

    :param since: when it was changed last, as it was read; None makes a new one.
    """
    if wanted.body is None:
        return wanted.mistake
    action = f"{'create' if since is None else 'update'}{KINDS[wanted.kind]}"
    args = {**wanted.args, "_id": wanted.id, "ifUnchangedSince": since}
    try:
        await visit.call("security", action, wanted.body, **args)
    except Refused as refused:
        return refused
    return None


def _is_overtaken(problem: Problem | None) -> bool:
    """Tell whether somebody else has saved another one meanwhile."""
    return isinstance(problem, Refused) and problem.id == errors.ChangedMeanwhile.id


def _sign(told: Mapping[str, Any]) -> str | None:
    """Return what stands for the rights that are taken away, where that is to be confirmed."""
    mine, theirs = told["own"]["taken"], told["taken"]
    many = told["users"]["total"] >= MANY or STRANGERS in told["profiles"]["hits"]
    if not mine and not (theirs and many):
        return None
    return hashlib.sha256(msgspec.json.encode([mine, theirs])).hexdigest()[:32]
