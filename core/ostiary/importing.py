"""Moving from Kuzzle: what its command line exported becomes roles, profiles and users here.

Everything is looked at before anything is written, so that an operator sees what would
be done. Each item is written whole or not at all, by the services that the API uses: an
import that was interrupted is begun again, and finds its first part unchanged.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from msgspec import Struct

from ostiary import errors
from ostiary.controllers.fixtures import read_user
from ostiary.exports import KINDS, Exports, Item, read_exports
from ostiary.services import Services
from ostiary.services.loading import Author, Existing, UserToLoad
from ostiary.services.rights import BASE
from ostiary.services.user_rows import StoredUser
from ostiary.settings import Settings
from ostiary.startup import establish, opened
from ostiary.strategies import Call

End = Literal["made", "replaced", "unchanged", "skipped", "refused"]
WRITTEN = ("made", "replaced")

OPERATOR = Author(Call(controller="admin", action="loadSecurities", protocol="cli"), None)


@dataclass(slots=True)
class Step:
    """What becomes of one item, and why where it is not what was asked for."""

    kind: str
    item: Item
    end: End
    why: str = ""
    user: UserToLoad | None = field(default=None, repr=False)


class Report(Struct, frozen=True):
    """What was done, or would be.

    :param written: False where everything was only looked at.
    """

    steps: Sequence[Step]
    left_out: Sequence[Path]
    written: bool

    def refused(self) -> int:
        """Return how many items are not as they were asked for."""
        return sum(step.end == "refused" for step in self.steps)

    def lines(self) -> Iterator[str]:
        """Tell it to an operator: the sums, and each item that is not there as it stands."""
        if not self.written:
            yield "Nothing was written. It would be:"
        for kind in KINDS:
            ends = Counter(step.end for step in self.steps if step.kind == kind)
            told = ", ".join(f"{count} {end}" for end, count in ends.items())
            yield f"{kind}: {told or 'none'}"
        for step in self.steps:
            if step.why:
                yield f"{step.end}: {step.item.place}: {step.why}"
        for path in self.left_out:
            yield f"left out: {path}: mappings and documents are not kept here"


async def import_kuzzle(
    settings: Settings, paths: Iterable[Path], existing: Existing, *, check: bool
) -> Report:
    """Read exports, and write what they hold into the stores.

    :param existing: ``fail`` writes nothing at all if something is there and differs.
    :param check: only look at everything.
    :raises ExportError: a file is broken; nothing is written.
    """
    exports = read_exports(paths)
    async with opened(settings) as core:
        await establish(core)
        importer = Importer(core.services, exports, existing)
        steps = await importer.plan(thorough=check)
        stopped = existing == "fail" and any(step.why == EXISTS for step in steps)
        if not check and not stopped:
            hashing = settings.security.hashing
            await importer.write(steps, at_once=2 * hashing.threads)
        return Report(steps, exports.left_out, written=not (check or stopped))


EXISTS = "it exists already, and differs"


class Importer:
    """Compares exports with the stores, and writes what is wanted."""

    def __init__(self, services: Services, exports: Exports, existing: Existing) -> None:
        self._services, self._items, self._existing = services, exports.items, existing

    async def plan(self, *, thorough: bool) -> list[Step]:
        """Return a step for each item, in the order in which they can be written.

        :param thorough: ask the strategies too whether they would take the credentials.
        """
        roles = [await self._role(item) for item in self._items["roles"].values()]
        profiles = [await self._profile(item, roles) for item in self._items["profiles"].values()]
        users = await self._users(profiles)
        if thorough:
            for step in users:
                await self._try_credentials(step)
        return [*roles, *profiles, *users]

    async def write(self, steps: Iterable[Step], *, at_once: int) -> None:
        """Write what is to be made or replaced; what fails is refused, and the others go on.

        :param at_once: how many users, whose passwords are hashed in several threads.
        """
        wanted = [step for step in steps if step.end in WRITTEN]
        for step in wanted:
            if step.user is None:
                await self._write(step)
        users = iter([step for step in wanted if step.user is not None])

        async def work() -> None:
            for step in users:
                await self._write(step)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(at_once):
                    tasks.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _role(self, item: Item) -> Step:
        try:
            new = self._services.roles.read(item.id, item.body, None, force=True)
        except errors.OstiaryError as error:
            return Step("roles", item, "refused", str(error))
        old = await self._services.roles.find(item.id)
        same = old is not None and (old.controllers, old.content) == (new.controllers, new.content)
        return self._step("roles", item, exists=old is not None, same=same)

    async def _profile(self, item: Item, roles: Iterable[Step]) -> Step:
        try:
            new = self._services.profiles.read(item.id, item.body, None)
            coming = {step.item.id for step in roles if step.end != "refused"}
            named = [policy["roleId"] for policy in new.policies]
            found = await self._services.roles.many([id for id in named if id not in coming])
            known = coming | {role.id for role in found}
            if missing := [id for id in named if id not in known]:
                raise errors.RoleNotFound(missing[0])
        except errors.OstiaryError as error:
            return Step("profiles", item, "refused", str(error))
        old = await self._services.profiles.find(item.id)
        same = old is not None and old.body() == new.body()
        return self._step("profiles", item, exists=old is not None, same=same)

    async def _users(self, profiles: Iterable[Step]) -> list[Step]:
        steps = [_read_user(item) for item in self._items["users"].values()]
        users = [step.user for step in steps if step.user is not None]
        named = {id for user in users for id in user.profile_ids}
        found = await self._services.profiles.many(sorted(named))
        known = {profile.id for profile in found}
        known |= {step.item.id for step in profiles if step.end != "refused"}
        old = {user.kuid: user for user in await self._services.users.many(self._items["users"])}
        return [await self._compared(step, known, old.get(step.item.id)) for step in steps]

    async def _compared(self, step: Step, profiles: set[str], old: StoredUser | None) -> Step:
        """Return what becomes of a user who was read.

        :param profiles: the ids of those that are there, or are there before the users.
        :param old: who has the kuid now.
        """
        new = step.user
        if new is None:
            return step
        if missing := [id for id in new.profile_ids if id not in profiles]:
            return Step("users", step.item, "refused", str(errors.ProfileNotFound(missing[0])))
        same = old is not None and (
            (old.profile_ids, old.content) == (new.profile_ids, new.content)
            and await self._signs_in(new)
        )
        return replace(self._step("users", step.item, exists=old is not None, same=same), user=new)

    async def _signs_in(self, user: UserToLoad) -> bool:
        """Tell whether a user holds credentials of every strategy that an export names."""
        for strategy in user.credentials:
            if not self._services.strategies.knows(strategy) or not (
                await self._services.credentials.held(strategy, user.kuid)
            ):
                return False
        return True

    def _step(self, kind: str, item: Item, *, exists: bool, same: bool) -> Step:
        if not exists:
            return Step(kind, item, "made")
        if same:
            return Step(kind, item, "unchanged")
        if self._existing == "overwrite":
            return Step(kind, item, "replaced")
        if kind != "users" and item.id in BASE:
            return Step(kind, item, "skipped", "every server has its own; overwrite replaces it")
        return Step(kind, item, "skipped" if self._existing == "skip" else "refused", EXISTS)

    async def _try_credentials(self, step: Step) -> None:
        if step.user is None or step.end not in WRITTEN:
            return
        try:
            credentials, kuid = self._services.credentials, step.item.id
            for strategy, fields in step.user.credentials.items():
                held = await credentials.held(strategy, kuid)
                await credentials.validate(strategy, kuid, fields, OPERATOR.call, partial=held)
        except errors.OstiaryError as error:
            step.end, step.why = "refused", str(error)

    async def _write(self, step: Step) -> None:
        try:
            await self._writing(step)
        except errors.StoreUnavailable:
            raise
        except errors.OstiaryError as error:
            step.end, step.why = "refused", str(error)

    def _writing(self, step: Step) -> Awaitable[object]:
        services, item = self._services, step.item
        if step.user is not None:
            load = services.loading.create if step.end == "made" else services.loading.overwrite
            return load(step.user, OPERATOR)
        if step.kind == "roles":
            return services.roles.put(item.id, item.body, None, force=True)
        return services.profiles.put(item.id, item.body, None)


def _read_user(item: Item) -> Step:
    """Return a step for a user whom nobody has compared yet."""
    try:
        return Step("users", item, "made", user=read_user(item.id, item.body, ""))
    except errors.OstiaryError as error:
        return Step("users", item, "refused", str(error))
