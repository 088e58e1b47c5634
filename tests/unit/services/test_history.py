"""When a document was changed: every state of it at another instant, whatever the clock says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from ostiary import errors

pytestmark = pytest.mark.anyio

NOBODY = "-1"
ROLE: dict[str, Any] = {"controllers": {"auth": {"actions": {"logout": True}}}}
PROFILE: dict[str, Any] = {"policies": [{"roleId": "default"}]}
STOPPED, BEFORE = 2_000_000_000_000, 1_000_000_000_000


@pytest.fixture
def clock(house: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Stops the clock by which documents are changed."""
    services = house.services

    def stop(at: int) -> None:
        for one in (services.roles, services.profiles, services.users, services.statuses):
            monkeypatch.setattr(one, "_clock", lambda: at)

    return stop


def last(document: Any) -> int:
    return int(document.updated_at or document.created_at)


async def seen(clock: Callable[[int], None], *writes: Callable[[], Awaitable[Any]]) -> list[int]:
    """Make changes while the clock stands still, and after it was put back; tell their instants."""
    found = []
    for at in (STOPPED, STOPPED, BEFORE):
        clock(at)
        found += [last(await write()) for write in writes]
    return found


async def test_roles_and_profiles_change_at_instants_of_their_own(house: Any, clock: Any) -> None:
    roles, profiles = house.services.roles, house.services.profiles
    for service, body in ((roles, ROLE), (profiles, PROFILE)):
        instants = await seen(
            clock,
            partial(service.put, "mine", body, None),
            partial(service.update, "mine", body, None),
        )
        assert instants == list(range(STOPPED, STOPPED + 6))
        with pytest.raises(errors.ChangedMeanwhile):
            await service.update("mine", body, None, since=STOPPED + 4)
        await service.update("mine", body, None, since=STOPPED + 5)


async def test_users_change_at_instants_of_their_own(house: Any, clock: Any) -> None:
    clock(STOPPED)
    users, statuses, profiles = (
        house.services.users,
        house.services.statuses,
        house.services.profiles,
    )
    await profiles.put("mine", PROFILE, None)
    await house.create("ann")
    await users.update("ann", {}, NOBODY, ("mine", "default"))
    instants = await seen(
        clock,
        lambda: users.update("ann", {"a": 1}, NOBODY),
        lambda: users.replace("ann", {}, NOBODY, ("mine", "default")),
        lambda: statuses.disable("ann", NOBODY),
        lambda: statuses.enable("ann", NOBODY),
    )
    assert instants == list(range(STOPPED + 2, STOPPED + 14))
    await profiles.delete("mine", take_off=True)
    (ann,) = await users.many(["ann"])
    assert (ann.profile_ids, last(ann)) == (("default",), STOPPED + 14)
