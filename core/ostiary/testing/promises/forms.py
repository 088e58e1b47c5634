"""The promise about what strangers may do beside signing in."""

from __future__ import annotations

import secrets
from typing import Any

from ostiary import errors
from ostiary.request import Connection, Request
from ostiary.strategies import Form, described
from ostiary.testing.promise import NotAsked, expect, promise
from ostiary.testing.subject import MADE, Credentials
from ostiary.testing.trial import Bench, Trial

FIRST = "trial-first"


@promise("a form answers alike whether there is such a user or not, and takes no code of nobody's")
async def forms(trial: Trial) -> None:
    """Run the action of each form as who has not signed in."""
    async with trial.open() as bench:
        if not bench.strategy.forms:
            raise NotAsked("the strategy declares no forms")
        sample, identifier = bench.sample, bench.strategy.identifier
        await bench.create(FIRST, sample.good())
        # A secret that is filled in is wrong for either: of one's own account it may do something.
        mine = sample.wrong or sample.good()
        nobodys = (
            sample.good(1)
            if identifier is None
            else {**mine, identifier: sample.good(1)[identifier]}
        )
        for form in bench.strategy.forms:
            if form.code is None:
                known, unknown = [await _outcome(bench, form, one) for one in (mine, nobodys)]
                told = f"{form.name}: for a user {known}, for nobody {unknown}"
                expect(known == unknown, told)
            else:
                outcome = await _outcome(
                    bench, form, mine, **{form.code: secrets.token_urlsafe(32)}
                )
                refused = isinstance(outcome, dict) and "status" in outcome
                expect(refused, f"{form.name}: a code of nobody's is answered with {outcome}")


async def _outcome(bench: Bench, form: Form, credentials: Credentials, **code: str) -> Any:
    """Return what a form is answered with, or the error that refuses it.

    :param credentials: what is filled in where fields are called alike.
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
        body={**body, **code},
        jwt=None,
        connection=Connection("http", "127.0.0.1"),
        id="trial",
    )
    try:
        return await bench.asked(action.run(request, {"services": bench.core.services}))
    except errors.OstiaryError as error:
        return error.to_json()
