"""Roles and profiles in the store: whole, within the rights of who writes them, never dangling."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select

from ostiary import Call, errors
from ostiary.services.accounts import Account
from ostiary.services.rights import ADMIN, ANONYMOUS, DEFAULT, Grant, Rights
from ostiary.services.user_rows import StoredUser
from ostiary.storage.tables import profiles, search_values

pytestmark = pytest.mark.anyio

ALL = {"*": {"actions": {"*": True}}}
READ = {"document": {"actions": {"get": True}}}
WRITE = {"document": {"actions": {"get": True, "create": True}}}


def role(controllers: Mapping[str, Any], **content: Any) -> dict[str, Any]:
    return {"controllers": controllers, **content}


def profile(*policies: Any, **content: Any) -> dict[str, Any]:
    named = [{"roleId": one} if isinstance(one, str) else one for one in policies]
    return {"policies": named, **content}


def somebody(kuid: str, *grants: Grant) -> Account:
    """Return somebody who may do what some grants say."""
    user = StoredUser(
        kuid=kuid,
        generation="",
        status="enabled",
        profile_ids=(),
        content={},
        author=None,
        created_at=1,
        updater=None,
        updated_at=None,
    )
    return Account(user, Rights(grants), ())


READER = somebody("reader", Grant(READ))


async def outcomes(*works: Any) -> list[Any]:
    return await asyncio.gather(*works, return_exceptions=True)


async def paths(house: Any, collection: str, id: str) -> set[str]:
    wanted = select(search_values.c.path).where(
        search_values.c.collection == collection, search_values.c.id == id
    )
    async with house.store.read() as db:
        return set((await db.execute(wanted)).scalars())


async def test_a_role_is_created_replaced_updated_and_deleted(house: Any) -> None:
    roles = house.services.roles
    made = await roles.create("r", role(READ, tags=["a"], _id="x"), READER)
    assert made == await roles.find("r")
    assert (made.id, made.controllers, made.content) == ("r", READ, {"tags": ["a"]})
    assert (made.author, made.updater, made.updated_at) == ("reader", None, None)
    with pytest.raises(errors.DocumentExists):
        await roles.create("r", role(READ), None)
    changed = await roles.update("r", role(WRITE), somebody("ann", Grant(ALL)))
    assert changed == await roles.find("r")
    assert (changed.controllers, changed.content) == (WRITE, {})
    assert (changed.author, changed.created_at) == ("reader", made.created_at)
    assert (changed.updater, changed.updated_at is not None) == ("ann", True)
    replaced = await roles.put("r", role(READ), None)
    assert (replaced.author, replaced.updater, replaced.updated_at) == (None, None, None)
    assert await paths(house, "roles", "r") == {"controllers.document.actions.get"}
    await roles.delete("r")
    assert await roles.find("r") is None
    assert await paths(house, "roles", "r") == set()
    with pytest.raises(errors.DocumentNotFound):
        await roles.update("r", role(READ), None)
    with pytest.raises(errors.RoleNotFound):
        await roles.delete("r")


async def test_a_profile_is_created_replaced_updated_and_deleted(house: Any) -> None:
    mine = house.services.profiles
    made = await mine.create("p", profile("default", rateLimit=7, tags=["a"]), None)
    assert made == await mine.find("p")
    assert (made.policies, made.rate_limit) == ([{"roleId": "default"}], 7)
    with pytest.raises(errors.DocumentExists):
        await mine.create("p", profile("default"), None)
    changed = await mine.update("p", {"color": "red"}, somebody("ann", Grant(ALL)))
    assert changed == await mine.find("p")
    assert changed.body() == {**made.body(), "color": "red"}
    assert (changed.author, changed.created_at) == (None, made.created_at)
    assert (changed.updater, changed.updated_at is not None) == ("ann", True)
    await mine.put("p", profile("anonymous"), None)
    assert (await mine.find("p")).body() == profile("anonymous", rateLimit=0)
    assert await paths(house, "profiles", "p") == {"policies.roleId"}
    await mine.delete("p")
    assert await mine.find("p") is None
    assert await paths(house, "profiles", "p") == set()
    for change in (mine.update("p", {}, None), mine.delete("p"), mine.check(["default", "p"])):
        with pytest.raises(errors.ProfileNotFound):
            await change


async def test_several_are_found_in_the_order_asked_for(house: Any) -> None:
    for service in (house.services.roles, house.services.profiles):
        found = await service.many(["default", "nothing", "admin", "default"])
        assert [one.id for one in found] == ["default", "admin"]
        assert await service.many([]) == []
        assert len(await service.many([f"r{n}" for n in range(2000)] + ["admin"])) == 1


async def test_nobody_writes_a_role_or_a_profile_that_grants_more_than_they_hold(
    house: Any,
) -> None:
    """AZ-20"""
    roles, mine = house.services.roles, house.services.profiles
    await roles.create("read", role(READ), READER)
    await roles.create("write", role(WRITE), None)
    for write in (roles.create, roles.put, roles.update):
        id = "read" if write == roles.update else "more"
        with pytest.raises(errors.MissingRights):
            await write(id, role(WRITE), READER)
    await mine.create("readers", profile("read"), READER)
    for write in (mine.create, mine.put, mine.update):
        id = "readers" if write == mine.update else "more"
        with pytest.raises(errors.MissingRights):
            await write(id, profile("read", "write"), READER)
    assert (await roles.find("more"), await mine.find("more")) == (None, None)
    within = somebody("ann", Grant(READ, {"i": frozenset("c")}))
    place = {"index": "i", "collections": ["c"]}
    await mine.create("some", profile({"roleId": "read", "restrictedTo": [place]}), within)
    with pytest.raises(errors.MissingRights):
        await mine.update("some", profile({"roleId": "read", "restrictedTo": []}), within)
    with pytest.raises(errors.MissingRights):
        await roles.put("more", role(READ), within)


async def test_a_profile_that_already_grants_more_is_not_touched(house: Any) -> None:
    """AZ-20"""
    with pytest.raises(errors.MissingRights):
        await house.services.profiles.update("admin", {"rateLimit": 1}, READER)


async def test_administrators_keep_all_rights(house: Any) -> None:
    roles, mine = house.services.roles, house.services.profiles
    changes = [
        roles.put("admin", role(WRITE), None),
        roles.update("admin", role({**ALL, "auth": {"actions": {"login": False}}}), None),
        mine.put("admin", profile("default"), None),
        mine.update("admin", profile({"roleId": "admin", "restrictedTo": [{"index": "i"}]}), None),
    ]
    for change in changes:
        with pytest.raises(errors.AdministratorsKeepRights):
            await change
    assert (await roles.find("admin")).controllers == ALL
    await roles.put("admin", role(ALL, tags=["a"]), None)
    await mine.put("admin", profile("default", "admin"), None)
    await roles.put("everything", role(ALL), None)
    await mine.put("admin", profile("everything"), None)
    with pytest.raises(errors.AdministratorsKeepRights):
        await roles.put("everything", role(READ), None)


@pytest.mark.parametrize("id", [ADMIN, DEFAULT, ANONYMOUS])
async def test_the_base_roles_and_profiles_stay(house: Any, id: str) -> None:
    """AZ-08"""
    with pytest.raises(errors.RoleNotDeletable):
        await house.services.roles.delete(id)
    with pytest.raises(errors.ProfileNotDeletable):
        await house.services.profiles.delete(id, take_off=True)


async def test_what_is_in_use_stays(house: Any) -> None:
    """AZ-15"""
    roles, mine, users = house.services.roles, house.services.profiles, house.services.users
    await roles.put("r", role(READ), None)
    await mine.put("p", profile("default", "r"), None)
    await house.create("ann")
    await users.update("ann", {}, "ann", (DEFAULT, "p"))
    with pytest.raises(errors.RoleInUse):
        await roles.delete("r")
    with pytest.raises(errors.ProfileInUse):
        await mine.delete("p")
    await users.update("ann", {}, "ann", (DEFAULT,))
    await mine.delete("p")
    await roles.delete("r")


async def test_a_profile_can_be_taken_off_its_users(house: Any) -> None:
    """ADM-11: whoever is left without any is anonymous, and an administrator stays one."""
    mine, users = house.services.profiles, house.services.users
    await mine.put("p", profile("default"), None)
    held = {"ann": ("p",), "bob": (DEFAULT, "p"), "root": ("p", ADMIN), "zoe": (DEFAULT,)}
    for kuid, ids in held.items():
        await house.create(kuid)
        await users.update(kuid, {}, kuid, ids)
    root = await house.services.accounts.find("root")
    await mine.delete("p", root, take_off=True)
    found = {user.kuid: user for user in await users.many(held)}
    left = {kuid: user.profile_ids for kuid, user in found.items()}
    assert left == {"ann": (ANONYMOUS,), "bob": (DEFAULT,), "root": (ADMIN,), "zoe": (DEFAULT,)}
    assert {kuid: user.updater for kuid, user in found.items()} == {
        "ann": "root", "bob": "root", "root": "root", "zoe": "zoe"
    }  # fmt: skip


async def test_strict_wants_indexes_and_collections_that_are_known(house: Any) -> None:
    mine, places = house.services.profiles, house.services.places

    async def write(**place: Any) -> None:
        body = profile({"roleId": "default", "restrictedTo": [place]})
        await mine.put("p", body, None, strict=True)

    with pytest.raises(errors.UnknownIndex):
        await write(index="i")
    await places.declare("i")
    await write(index="i")
    await places.declare("j", "c")
    await write(index="j", collections=["c"])
    with pytest.raises(errors.UnknownCollection) as raised:
        await write(index="j", collections=["c", "d", "e"])
    assert raised.value.props == ["j", "d, e"]
    assert [await places.known("j"), await places.known("j", "d")] == [True, False]
    await places.declare("j", "c")


async def test_a_profile_never_names_a_role_that_is_gone(house: Any) -> None:
    """RACE-07"""
    roles, mine = house.services.roles, house.services.profiles
    for number in range(20):
        await roles.put("r", role(READ), None)
        delete, write = roles.delete("r"), mine.put("p", profile("r"), None)
        found = await outcomes(*((delete, write) if number % 2 else (write, delete)))
        assert len([one for one in found if isinstance(one, Exception)]) == 1
        for row in await house.rows(profiles):
            assert len(await roles.many([one["roleId"] for one in row.policies])) == 1
        await mine.put("p", profile("default"), None)


async def test_a_user_never_holds_a_profile_that_is_gone(house: Any) -> None:
    """RACE-08"""
    mine, users = house.services.profiles, house.services.users
    await house.create("zoe")
    for number in range(20):
        await mine.put("p", profile("default"), None)
        create = users.create(Call(), ("p",), {}, {}, kuid=f"u{number}")
        update = users.update("zoe", {}, "zoe", ("p",))
        await outcomes(create, mine.delete("p"), update)
        for user in await users.many(await house.kuids()):
            await mine.check(user.profile_ids)
        await users.update("zoe", {}, "zoe", (DEFAULT,))
