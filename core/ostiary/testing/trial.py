"""A trial: fresh stores, opened as the server does, and one strategy of the plugin on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy import Table, select

from ostiary import errors
from ostiary.composition import Core
from ostiary.plugins import Plugin, Strategies
from ostiary.services.user_rows import StoredUser
from ostiary.settings import Settings, load
from ostiary.startup import establish, opened
from ostiary.storage import OwnStore
from ostiary.strategies import Call, Redirect, Strategy, User, Verdict, Verified
from ostiary.testing.counting import CountingStore
from ostiary.testing.subject import Credentials, Sample, Subject
from ostiary.testing.telling import Told, overheard

CALL = Call(kuid="-1", controller="security", action="createUser", protocol="http")
"""Who asks for everything here: an administrator's client."""

AT_FAULT = 500

T = TypeVar("T")


class Faulty(Exception):
    """A hook neither answered nor refused: it failed. The message says where."""


@dataclass(frozen=True)
class Options:
    """Where stores are, and how a server that uses them is set up; can be sent to a process."""

    overrides: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def load(self) -> Settings:
        """Return the settings."""
        return load(config=None, environment=self.environment, overrides=self.overrides)


@dataclass(frozen=True)
class Trial:
    """One strategy on stores that nobody has used.

    :ivar name: of the strategy.
    """

    subject: Subject
    name: str
    options: Options

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Bench]:
        """Open the stores, again each time; everything told meanwhile is heard."""
        with overheard() as told:
            async with opened(self.options.load()) as core:
                await establish(core)
                await core.services.changes.start()
                plugin = next(
                    (one for one in core.plugins.loaded if one.name == self.subject.plugin), None
                )
                if plugin is None:
                    refused = core.plugins.refused.get(self.subject.plugin)
                    raise Faulty(f"{refused or 'no such plugin is installed'} {told.failure}")
                yield Bench(self, core, plugin, told)


class Bench:
    """Open stores, and what the core does with a strategy on them.

    :ivar door: the core's door to the hooks; what they do with the store is counted.
    :ivar told: what was logged and printed since the stores were opened.
    """

    def __init__(self, trial: Trial, core: Core, plugin: Plugin, told: Told) -> None:
        self.trial, self.core, self.plugin, self.told = trial, core, plugin, told
        self.store = CountingStore(core.stores[plugin.name])
        stores: dict[str, Any] = {**core.stores, plugin.name: self.store}
        self.door = Strategies(core.plugins, stores)
        self.name = trial.name
        self.sample = Sample(trial.subject, self.door.find(trial.name))

    @property
    def strategy(self) -> Strategy:
        """The strategy, as the plugin declares it."""
        return self.sample.strategy

    async def create(self, kuid: str, credentials: Credentials) -> StoredUser:
        """Create a user with credentials, as ``security:createUser`` does."""
        creating = self.core.services.users.create(
            CALL, ("default",), {}, {self.name: credentials}, kuid=kuid
        )
        return await self.asked(creating)

    async def update(self, kuid: str, fields: Credentials) -> dict[str, Any]:
        """Change credentials, as ``security:updateCredentials`` does."""
        return await self.asked(
            self.core.services.credentials.update(self.name, kuid, fields, CALL)
        )

    async def delete(self, kuid: str) -> None:
        """Delete a user, as ``security:deleteUser`` does."""
        await self.asked(self.core.services.users.delete(kuid))

    async def verify(self, credentials: Credentials) -> Verdict:
        """Ask the strategy whom credentials belong to."""
        directory = self.core.services.directories.of(self.plugin.name)
        call = Call(controller="auth", action="login", protocol="http", args=credentials)
        verdict = await self.asked(self.door.verify(self.name, credentials, call, directory))
        answer = self.trial.subject.answer
        if answer is None or not isinstance(verdict, Redirect):
            return verdict
        back = dict(await asyncio.to_thread(answer, verdict.location, credentials))
        call = replace(call, args=back, state=verdict.state)
        return await self.asked(self.door.verify(self.name, back, call, directory))

    async def opens(self, credentials: Credentials) -> str | None:
        """Return the kuid that credentials open, or None if they are refused.

        :raises Faulty: there is another verdict.
        """
        try:
            verdict = await self.verify(credentials)
        except errors.OstiaryError:
            return None
        if isinstance(verdict, Verified):
            return verdict.kuid
        raise Faulty(
            f"a login gives a {type(verdict).__name__}, which this promise cannot follow; "
            "name the promise in not_asked and say why"
        )

    async def validate(self, kuid: str, fields: Credentials, *, partial: bool = False) -> None:
        """Ask the strategy whether credentials can be written."""
        user = User(kuid=kuid, profile_ids=("default",))
        await self.asked(self.door.validate(self.name, user, fields, CALL, partial=partial))

    async def write(self, kuid: str, credentials: Credentials) -> dict[str, Any]:
        """Have the strategy write credentials, whatever ``validate`` says."""
        return await self.asked(self.door.create(self.name, kuid, credentials, CALL))

    async def prove(self, kuid: str, body: Credentials) -> None:
        """Have a user prove once more who they are, as ``auth:updateMyCredentials`` does."""
        call = Call(kuid=kuid, controller="auth", action="updateMyCredentials", protocol="http")
        await self.asked(self.door.reauthenticate(self.name, kuid, body, call))

    async def erase(self, kuid: str) -> None:
        """Have the strategy erase credentials."""
        await self.asked(self.door.erase(self.name, kuid))

    async def refusal(self, work: Awaitable[Any]) -> errors.OstiaryError | None:
        """Return the error by which something is refused, or None if it is done.

        :raises Faulty: it fails in another way than by a refusal.
        """
        try:
            await self.asked(work)
        except errors.OstiaryError as error:
            return error
        return None

    async def asked(self, work: Awaitable[T]) -> T:
        """Return what a hook answers; a refusal is an error of the catalogue, below 500.

        :raises Faulty: the hook failed.
        """
        try:
            return await work
        except errors.OstiaryError as error:
            if error.status >= AT_FAULT:
                raise Faulty(f"{error} {self.told.failure}".strip()) from error
            raise

    async def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return what the plugin keeps, by table."""
        tables = self.plugin.storage.tables.sorted_tables if self.plugin.storage else ()
        return await rows_of(self.core.stores[self.plugin.name], tables)

    async def traces(self, text: str) -> list[str]:
        """Return the tables of the plugin in which a text stands."""
        found = await self.rows()
        return [name for name, rows in found.items() if any(text in str(row) for row in rows)]


async def rows_of(store: OwnStore, tables: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of some tables, each as sorted as it can be."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    async with store.read() as db:
        for table in tables:
            found[table.name] = await _rows(db, table)
    return found


async def _rows(db: Any, table: Table) -> list[tuple[Any, ...]]:
    rows = (await db.execute(select(table))).all()
    return sorted((tuple(row) for row in rows), key=repr)
