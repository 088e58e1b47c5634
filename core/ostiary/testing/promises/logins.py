"""Promises about signing in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

from ostiary import errors
from ostiary.testing.promise import NotAsked, expect, promise
from ostiary.testing.subject import Credentials
from ostiary.testing.telling import overheard
from ostiary.testing.trial import CALL, Bench, Options, Trial

FIRST, SECOND = "trial-first", "trial-second"
VARYING = {"date", "content-length", "x-kuzzle-request-id"}
"""Headers that tell nothing of what was asked."""


@promise("good credentials sign their user in over the network; wrong, disabled, deleted do not")
async def login(trial: Trial) -> None:
    """Sign in as clients do, on a server that listens."""
    async with trial.open() as bench:
        sample = bench.sample
        await bench.create(FIRST, sample.good(0))
        await bench.core.services.users.create(
            CALL, ("admin",), {}, {bench.name: sample.good(1)}, kuid=SECOND
        )
    async with served(trial.options) as call:
        sign_in = partial(_sign_in, call, trial.name)
        await _expect_in(sign_in, sample.good(0), FIRST)
        admin = await _expect_in(sign_in, sample.good(1), SECOND)
        if sample.wrong is not None:
            await _expect_out(sign_in, sample.wrong, "a wrong secret")
        await call("security:disableUser", jwt=admin, _id=FIRST)
        await _expect_out(sign_in, sample.good(0), "a disabled user")
        await call("security:enableUser", jwt=admin, _id=FIRST)
        await _expect_in(sign_in, sample.good(0), FIRST)
        await call("security:deleteUser", jwt=admin, _id=FIRST)
        await _expect_out(sign_in, sample.good(0), "a deleted user")


@promise("an unknown user and a wrong secret get the same answer")
async def answers(trial: Trial) -> None:
    """Compare errors, and the whole envelopes that clients get."""
    async with trial.open() as bench:
        wrong, unknown = _two(bench)
        await bench.create(FIRST, bench.sample.good())
        first, second = [await bench.refusal(bench.verify(one)) for one in (wrong, unknown)]
        for error in (first, second):
            expect(
                error is None or isinstance(error, errors.LoginRefusal),
                f"a login is refused with {error!r}, wanted: errors.LoginRefused, or another "
                "LoginRefusal",
            )
        if first is not None and second is not None:
            told = first.to_json(), second.to_json()
            expect(told[0] == told[1], f"for a wrong secret {told[0]}, for nobody {told[1]}")
    async with served(trial.options) as call:
        bodies = [await _sign_in(call, trial.name, one) for one in (wrong, unknown)]
        seen = [
            ({**one.body, "requestId": ""}, one.headers.keys() - VARYING, one.status)
            for one in bodies
        ]
        expect(seen[0] == seen[1], f"for a wrong secret {seen[0]}, for nobody {seen[1]}")


@promise("an unknown user is as much work as a wrong secret")
async def work(trial: Trial) -> None:
    """Count the hashes that ``store.hasher`` makes and the statements, not the time."""
    async with trial.open() as bench:
        wrong, unknown = _two(bench)
        await bench.create(FIRST, bench.sample.good())
        done = []
        for credentials in (wrong, unknown):
            # Once before it counts: what a first login prepares is no work of the others.
            await bench.refusal(bench.verify(credentials))
            bench.store.reset()
            await bench.refusal(bench.verify(credentials))
            done.append(replace(bench.store.work))
        expect(done[0] == done[1], f"a wrong secret is {done[0]}, nobody's is {done[1]}")


@asynccontextmanager
async def served(options: Options) -> AsyncIterator[Callable[..., Any]]:
    """Serve these stores on a free port; yield what calls an action and returns its outcome."""
    from ostiary.testing.wire import HttpApi, serving

    settings = Options({**options.overrides, "server.port": 0}, options.environment).load()
    with overheard(), ExitStack() as stack:
        port = await asyncio.to_thread(stack.enter_context, serving(settings))
        api = stack.enter_context(closing(HttpApi(port)))

        async def call(name: str, body: Any = None, **args: Any) -> Any:
            return await asyncio.to_thread(api.call, name, body, **args)

        try:
            yield call
        finally:
            await asyncio.to_thread(stack.close)


def _two(bench: Bench) -> tuple[Credentials, Credentials]:
    """Return a wrong login of a known user, and one of nobody."""
    wrong = bench.sample.wrong
    if wrong is None or bench.strategy.identifier is None:
        raise NotAsked("the strategy has no identifier, or nothing secret beside it")
    return wrong, {
        **wrong,
        bench.strategy.identifier: bench.sample.unknown[bench.strategy.identifier],
    }


async def _sign_in(call: Callable[..., Any], strategy: str, credentials: Credentials) -> Any:
    return await call("auth:login", credentials, strategy=strategy)


async def _expect_in(
    sign_in: Callable[[Credentials], Any], credentials: Credentials, kuid: str
) -> str:
    outcome = await sign_in(credentials)
    expect(outcome.status == HTTPStatus.OK, f"good credentials are answered with {outcome.body}")
    opened = outcome.result["_id"]
    expect(opened == kuid, f"credentials of {kuid} open the account of {opened}")
    return str(outcome.result["jwt"])


async def _expect_out(
    sign_in: Callable[[Credentials], Any], credentials: Credentials, whose: str
) -> None:
    outcome = await sign_in(credentials)
    refused = HTTPStatus.BAD_REQUEST <= outcome.status < HTTPStatus.INTERNAL_SERVER_ERROR
    expect(refused, f"{whose} is answered with status {outcome.status}")
