"""A preview says what saving does: who may, and what is granted and taken; on either database."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from ostiary import errors
from ostiary.services.accounts import Account
from ostiary.services.rights import Grant, Rights
from ostiary.services.user_rows import StoredUser

pytestmark = pytest.mark.anyio

ALL = {"*": {"actions": {"*": True}}}
SOME = {"auth": {"actions": {"*": True, "logout": False}}, "server": {"actions": {"now": True}}}
FEW = {"auth": {"actions": {"login": True, "logout": True}}}
ROLES = [ALL, SOME, FEW, {"*": {"actions": {"*": False}}, **SOME}]
PROFILES: list[list[dict[str, Any]]] = [
    [{"roleId": "admin"}],
    [{"roleId": "mine"}],
    [{"roleId": "mine", "restrictedTo": [{"index": "i"}]}],
    [{"roleId": "mine", "restrictedTo": [{"index": "j", "collections": ["a"]}]}],
]
CALLERS = [
    [Grant(ALL)],
    [Grant(SOME)],
    [Grant(FEW), Grant(SOME, {"i": frozenset()})],
]


def somebody(*grants: Grant, profile_ids: tuple[str, ...] = ()) -> Account:
    user = StoredUser(
        kuid="somebody",
        generation="",
        status="enabled",
        profile_ids=profile_ids,
        content={},
        author=None,
        created_at=1,
        updater=None,
        updated_at=None,
    )
    return Account(user, Rights(grants), ())


async def ended(work: Any) -> tuple[Any, ...] | None:
    """Return how saving ends: the error, or None."""
    try:
        await work
    except errors.OstiaryError as error:
        return error.id, error.args
    return None


def told(refusal: errors.OstiaryError | None) -> tuple[Any, ...] | None:
    return None if refusal is None else (refusal.id, refusal.args)


def names(changes: Any) -> set[tuple[str, str]]:
    return {change.name for change in changes}


@pytest.mark.parametrize("id", ["mine", "admin"])
async def test_roles_are_refused_as_it_is_told(house: Any, id: str) -> None:
    """AZ-20"""
    roles, previews = house.services.roles, house.services.previews
    seen = set()
    for before, after, grants in product(ROLES, ROLES, CALLERS):
        if id != "admin":
            await roles.put(id, {"controllers": before}, None)
        by, body = somebody(*grants), {"controllers": after}
        preview = await previews.role(id, body, by)
        end = await ended(roles.put(id, body, by))
        assert told(preview.refusal) == end
        seen.add(end and end[0])
    assert errors.MissingRights.id in seen
    assert None in seen
    assert (errors.AdministratorsKeepRights.id in seen) == (id == "admin")


@pytest.mark.parametrize("id", ["mine", "admin"])
async def test_profiles_are_refused_as_it_is_told(house: Any, id: str) -> None:
    """AZ-20"""
    profiles, previews = house.services.profiles, house.services.previews
    await house.services.roles.put("mine", {"controllers": SOME}, None)
    for before, after, grants in product(PROFILES, PROFILES, CALLERS):
        if id != "admin":
            await profiles.put(id, {"policies": before}, None)
        by, body = somebody(*grants), {"policies": after}
        preview = await previews.profile(id, body, by)
        assert told(preview.refusal) == await ended(profiles.put(id, body, by))


async def test_what_is_told_of_ones_own_rights_is_what_becomes_of_them(house: Any) -> None:
    services = house.services
    await services.roles.put("mine", {"controllers": SOME}, None)
    await services.profiles.put("mine", {"policies": PROFILES[1]}, None)
    by = somebody(Grant(ALL), profile_ids=("mine", "anonymous"))
    before = await services.grants.rights(by.user.profile_ids)
    preview = await services.previews.role("mine", {"controllers": FEW}, by)
    await services.roles.put("mine", {"controllers": FEW}, None)
    services.grants.forget()
    after = await services.grants.rights(by.user.profile_ids)
    for action in services.actions:
        name = (action.controller, action.name)
        had = any(grant.names(*name) for grant in before.grants)
        has = any(grant.names(*name) for grant in after.grants)
        assert (name in names(preview.own.granted)) == (has and not had)
        assert (name in names(preview.own.taken)) == (had and not has)
    # Who is not signed in may sign in: that is not lost, whoever else does not grant it.
    assert ("auth", "login") not in names(preview.own.taken)
    assert ("server", "now") in names(preview.own.taken)


async def test_a_preview_writes_nothing(house: Any) -> None:
    services = house.services
    position = await services.changes.newest()
    role = await services.roles.find("default")
    by = somebody(Grant(ALL))
    await services.previews.role("default", {"controllers": FEW}, by)
    await services.previews.profile("default", {"policies": PROFILES[0]}, by)
    assert await services.changes.newest() == position
    assert await services.roles.find("default") == role
