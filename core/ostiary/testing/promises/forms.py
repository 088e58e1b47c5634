"""The promises about what people may do beside signing in."""

from __future__ import annotations

import secrets
from typing import Any

from ostiary import errors
from ostiary.fields import Form, described
from ostiary.request import Connection, Request
from ostiary.services.sessions import Session
from ostiary.testing.promise import NotAsked, expect, promise
from ostiary.testing.subject import MADE, Credentials
from ostiary.testing.trial import CALL, Bench, Trial

FIRST, SECOND = "trial-first", "trial-second"


@promise("a form answers alike whether there is such a user or not, and takes no code of nobody's")
async def forms(trial: Trial) -> None:
    """Run the action of each form as who has not signed in."""
    async with trial.open() as bench:
        declared = [one for one in bench.strategy.forms if not one.signed_in]
        if not declared:
            raise NotAsked("the strategy declares no forms for who has not signed in")
        sample, identifier = bench.sample, bench.strategy.identifier
        await bench.create(FIRST, sample.good())
        # A secret that is filled in is wrong for either: of one's own account it may do something.
        mine = sample.wrong or sample.good()
        nobodys = (
            sample.good(1)
            if identifier is None
            else {**mine, identifier: sample.good(1)[identifier]}
        )
        for form in declared:
            if form.code is None:
                known, unknown = [await _outcome(bench, form, one) for one in (mine, nobodys)]
                told = f"{form.name}: for a user {known}, for nobody {unknown}"
                expect(known == unknown, told)
            else:
                code: Credentials = {form.code: secrets.token_urlsafe(32)}
                outcome = await _outcome(bench, form, mine, **code)
                expect(
                    _refused(outcome), f"{form.name}: a code of nobody's is answered with {outcome}"
                )


@promise("a form beside a name takes none but one's own, and tells nothing of whose another is")
async def own_names(trial: Trial) -> None:
    """Run the action of each form for who is signed in with names that are not theirs."""
    async with trial.open() as bench:
        tried = [
            (form, kind)
            for form in bench.strategy.forms
            for kind in form.beside
            if form.value is not None and kind in bench.sample.good()
        ]
        if not tried:
            raise NotAsked("no form stands beside a name that the credentials given here have")
        sample = bench.sample
        await bench.create(FIRST, sample.good())
        await bench.create(SECOND, sample.good(1))
        session = await _signed_in(bench, FIRST)
        for form, kind in tried:
            another, nobodys = [
                await _with_name(bench, form, str(one[kind]), session)
                for one in (sample.good(1), sample.good(2))
            ]
            told = f"{form.name}: with another's name {another}, with nobody's {nobodys}"
            expect(another == nobodys, told)


async def _with_name(bench: Bench, form: Form, name: str, session: Session) -> str:
    """Return how a name is refused that is none of who sends it, without the name.

    :raises BrokenPromise: it is not refused.
    """
    given: Credentials = {str(form.value): name}
    if form.code is not None:
        given[form.code] = secrets.token_urlsafe(32)
    outcome = await _outcome(bench, form, bench.sample.good(), session, **given)
    expect(_refused(outcome), f"{form.name}: a name of somebody else is answered with {outcome}")
    return str(outcome).replace(name, "…")


async def _signed_in(bench: Bench, kuid: str) -> Session:
    directory = bench.core.services.directories.of(bench.plugin.name)
    opened = await directory.open_session(kuid, CALL)
    return await bench.core.services.tokens.find(opened["jwt"])


def _refused(outcome: Any) -> bool:
    return isinstance(outcome, dict) and "status" in outcome


async def _outcome(
    bench: Bench,
    form: Form,
    credentials: Credentials,
    session: Session | None = None,
    **further: Any,
) -> Any:
    """Return what a form is answered with, or the error that refuses it.

    :param credentials: what is filled in where fields are called alike.
    :param session: of who sends it; None for who has not signed in.
    :param further: members of the body beside them.
    """
    wire_name = bench.plugin.wire_name
    body = {
        one.name: credentials.get(one.name, MADE.get(one.kind, "correct horse battery staple"))
        for one in described(form.fields)
    }
    controller, _, name = form.action.rpartition(":")
    action = bench.core.registry.find(f"{wire_name}/{controller}", name)
    request = Request(
        controller=action.controller,
        action=name,
        args={},
        body={**body, **further},
        jwt=None,
        connection=Connection("http", "127.0.0.1"),
        id="trial",
        session=session,
    )
    try:
        return await bench.asked(action.run(request, {"services": bench.core.services}))
    except errors.OstiaryError as error:
        return error.to_json()
