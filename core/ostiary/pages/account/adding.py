"""Giving myself one more way to sign in: by a form, or by going where I have an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ostiary.pages.account.parts import CREDENTIALS, draw
from ostiary.pages.account.proving import NEEDED, OF, read_proof, takers, told_of
from ostiary.pages.credentials import at_fault, read_fields
from ostiary.pages.declaring import Pages
from ostiary.pages.onward import Onward, leave
from ostiary.pages.problems import Refused, status_of
from ostiary.pages.steps import asked
from ostiary.pages.visit import Told, Visit
from ostiary.pages.ways import Way, way
from ostiary.request import Answer

pages = Pages()

PATH = CREDENTIALS.path + "/{strategy}/add"
NEEDS = "auth:createMyCredentials"
ASKED = 202

ONWARD = Onward(CREDENTIALS.path)
"""Where it ends, also for who was sent to a provider in between."""


@pages.get(PATH, needs=NEEDS)
async def form(visit: Visit) -> Answer:
    """Show what a strategy asks for."""
    return _shown(visit, await way(visit))


@pages.post(PATH, needs=NEEDS)
async def add(visit: Visit) -> Answer:
    """Make the credentials, or take the first step of a link."""
    one = await way(visit)
    provers = await told_of(visit)
    body = read_fields(visit.form, one.fields)
    if proof := read_proof(visit, provers):
        body["proof"] = proof
    try:
        told = await _asked_for(visit, one, body)
    except Refused as refused:
        if refused.id == NEEDED:
            provers = await takers(visit, refused)
        return _shown(visit, one, refused, provers)
    return _gone_on(visit, one, told)


async def _asked_for(visit: Visit, one: Way, body: dict[str, Any]) -> Told:
    # Where the browser comes back to, should it be sent elsewhere.
    back = ONWARD.arguments(one.name)["returnTo"]
    return await visit.ask(
        "auth", "createMyCredentials", body, strategy=one.name, noRedirect=True, returnTo=back
    )


def _gone_on(visit: Visit, one: Way, told: Told) -> Answer:
    if told.status == ASKED:
        return asked(visit, ONWARD, one.name, told.result)
    if "statusCode" in told.result:
        return leave(visit, told.result["headers"]["Location"])
    return visit.redirect(CREDENTIALS.path, done="way-added")


def _shown(
    visit: Visit,
    one: Way,
    refused: Refused | None = None,
    provers: Sequence[Mapping[str, Any]] = (),
) -> Answer:
    """Show the form, after a refusal with what was typed, short of what is secret.

    :param provers: strategies of which one has to be proved; as a rule it is not asked for.
    """
    asks = refused is not None and refused.id == NEEDED
    names = [field["name"] for field in one.fields]
    proofs = [field["name"] for about in provers for field in about["proof"]]
    return draw(
        visit,
        "account/add.html",
        status_of(refused),
        way=one,
        refused=refused,
        fault=None if refused is None or asks else at_fault(refused, [*names, *proofs]),
        asks=asks,
        provers=provers,
        of=OF,
    )
