"""Former passwords: as many as policies ask for are kept, and none of them is set again."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from ostiary_local import decoys, history, tables
from ostiary_local.errors import ReusedPassword
from ostiary_local.foreign import parse

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio

FOREIGN = "pässword with späces"

few = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def reusing(local: Local, *counts: int) -> Local:
    """Return the plugin with a policy for each count."""
    rules = [{"appliesTo": "*", "forbidReusedPasswordCount": count} for count in counts]
    return local.configured(passwordPolicies=rules)


async def kept(local: Local, kuid: str = "ann") -> int:
    former = tables.former_passwords
    async with local.store.read() as db:
        return len((await db.execute(select(former.c.id).where(former.c.kuid == kuid))).all())


async def refused(local: Local, password: str) -> bool:
    try:
        await local.update("ann", password=password)
    except ReusedPassword:
        return True
    return False


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_the_present_password_and_those_before_it_are_not_set_again(
    local: Local, count: int
) -> None:
    local = reusing(local, count)
    await local.create("ann", username="ann", password="p0")
    for number in range(1, 6):
        await local.update("ann", password=f"p{number}")
        assert await kept(local) == min(number, count - 1)
    for number in range(5, 5 - count, -1):
        assert await refused(local, f"p{number}")
    assert await local.login("ann", "p5") == "ann"
    assert not await refused(local, f"p{5 - count}")


async def test_the_greatest_count_that_binds_a_user_is_kept(local: Local) -> None:
    await local.create("ann", username="ann", password="p0")
    local.people.profiles["ann"] = ("staff",)
    everybody = {"appliesTo": "*", "forbidReusedPasswordCount": 2}
    others = {"appliesTo": {"users": ["bob"]}, "forbidReusedPasswordCount": 9}
    staff = {"appliesTo": {"profiles": ["staff"]}, "forbidReusedPasswordCount": 4}
    local = local.configured(passwordPolicies=[everybody, others, staff])
    for number in range(1, 6):
        await local.update("ann", password=f"p{number}")
    assert await kept(local) == 3
    assert await refused(local, "p2")
    local.people.profiles.clear()
    assert not await refused(local, "p2")
    assert await kept(local) == 1


async def test_nothing_is_kept_that_no_policy_asks_for(local: Local) -> None:
    await local.create("ann", username="ann", password="p0")
    await local.update("ann", password="p1")
    assert await kept(local) == 0
    await reusing(local, 3).update("ann", password="p2")
    await reusing(local, 3).update("ann", password="p3")
    assert await kept(local) == 2
    await local.update("ann", username="lee")
    assert await kept(local) == 2
    await local.update("ann", password="p1")
    assert await kept(local) == 0


async def test_former_passwords_go_with_the_account(local: Local) -> None:
    local = reusing(local, 3)
    for kuid in ("ann", "bob"):
        await local.create(kuid, username=kuid, password="p0")
        await local.update(kuid, password="p1")
    await local.delete("ann")
    assert (await kept(local), await kept(local, "bob")) == (0, 1)
    await local.create("ann", username="ann", password="p0")
    await local.update("ann", password="p1")


async def test_a_former_password_is_stored_as_a_hash(local: Local) -> None:
    """PWD-12."""
    local = reusing(local, 2)
    await local.create("ann", username="ann", password="a former password")
    before = local.row("ann")
    await local.update("ann", password="a new password")
    with closing(sqlite3.connect(local.folder / "local.db")) as file:
        file.row_factory = sqlite3.Row
        (row,) = file.execute("SELECT * FROM former_passwords").fetchall()
    assert row["hash"] == before["hash"]
    assert row["hash"].startswith("$argon2id$")
    assert row["set_at"] == before["password_set_at"]
    assert row["archived_at"] >= row["set_at"]
    assert "former" not in str(tuple(row))


async def test_a_letter_in_its_other_form_is_no_other_password(local: Local) -> None:
    local = reusing(local, 2)
    await local.create("ann", username="ann", password="caf\u00e9")
    assert await refused(local, "cafe\u0301")
    await local.update("ann", password="tea")
    assert await refused(local, "cafe\u0301")


@pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "wrapped"])
async def test_a_password_from_elsewhere_is_not_set_again(local: Local, wrapped: bool) -> None:
    """Neither as the present one nor as a former one, before its owner has ever signed in."""
    local = reusing(local, 3)
    await local.create("ann", username="ann", password="p0")
    theirs = parse("{SSHA}fXdCFmLm7PVEh9muNjvZtKlvLx2ldE6pNUaode7de68VQuh9")
    text = (theirs.outline if wrapped else theirs.text).encode()
    column = tables.accounts.c.imported
    columns = {
        "hash": await local.store.hasher.hash(decoys.wrapped(theirs.value)) if wrapped else None,
        "imported": local.store.sealer.seal(text, column=column, row="ann"),
    }
    async with local.store.begin() as db:
        await db.execute(update(tables.accounts).values(columns))
    assert await refused(local, FOREIGN)
    for password in ("p1", "p2"):
        assert not await refused(local, password)
        assert await refused(local, FOREIGN)
    former = await history.former(local.store, "ann", 2)
    assert [one.imported is None for one in former] == [True, False]
    assert not await refused(local, "p3")
    assert not await refused(local, FOREIGN)


async def test_a_damaged_password_is_changed_and_not_kept(local: Local) -> None:
    local = reusing(local, 3)
    await local.create("ann", username="ann", password="p0")
    async with local.store.begin() as db:
        await db.execute(update(tables.accounts).values(hash=None, imported=b"\1\2"))
    assert not await refused(local, "p0")
    assert await kept(local) == 0
    assert await history.former(local.store, "ann", 0) == []


async def test_of_changes_at_once_each_archives_what_another_has_set(local: Local) -> None:
    """RACE-05."""
    local = reusing(local, 24)
    await local.create("ann", username="ann", password="p0")
    await asyncio.gather(*(local.update("ann", password=f"p{n}") for n in range(1, 7)))
    assert await kept(local) == 6
    for number in range(7):
        assert await refused(local, f"p{number}")


words = st.sampled_from("abcde")


@few
@given(
    history=st.lists(st.tuples(words, st.lists(st.integers(0, 5), max_size=2)), max_size=14),
)
async def test_the_history_grows_and_shrinks_with_the_policies(
    local: Local, history: list[tuple[str, list[int]]]
) -> None:
    """A model in memory: the passwords that are known, the newest first."""
    await local.delete("ann")
    await local.create("ann", username="ann", password="a")
    known = ["a"]
    for password, counts in history:
        most = max(counts, default=0)
        wanted = password in known[:most]
        assert await refused(reusing(local, *counts), password) == wanted
        if not wanted:
            known = [password, *known][: max(1, most)]
        assert await kept(local) == len(known) - 1
    assert await local.login("ann", known[0]) == "ann"
