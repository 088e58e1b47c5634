"""Of many who want a name at once one gets it, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ostiary_local import tickets
from ostiary_local.errors import InvalidVerificationToken, UsernameTaken

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("provisioned", ["sqlite", "postgresql"], indirect=True),
]

ANN, BOB = "ann@example.com", "bob@example.com"


async def test_of_many_who_want_an_address_at_once_one_gets_it(local: Local) -> None:
    """RACE-02."""
    fields = [{"username": ANN}, {"email": ANN}, {"username": ANN.upper()}] * 4
    results = await asyncio.gather(
        *(local.create(f"k{n}", password="x", **one) for n, one in enumerate(fields)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, dict) for result in results) == 1
    assert sum(isinstance(result, UsernameTaken) for result in results) == len(fields) - 1


async def test_of_many_who_take_an_old_claim_at_once_one_gets_it(local: Local) -> None:
    await local.create("eve", username="eve", email=ANN, password="x")
    await local.age(ANN)
    results = await asyncio.gather(
        *(local.create(f"k{n}", username=f"k{n}", email=ANN, password="x") for n in range(6)),
        return_exceptions=True,
    )
    winners = [n for n, result in enumerate(results) if isinstance(result, dict)]
    assert len(winners) == 1
    assert sum(isinstance(result, UsernameTaken) for result in results) == 5
    assert await local.login(ANN, "x") == f"k{winners[0]}"
    assert await local.get("eve") == {"username": "eve"}


async def test_who_verifies_while_others_take_an_old_claim_keeps_it(local: Local) -> None:
    await local.create("ann", username="ann", email=ANN, password="x")
    one = await tickets.issue(local.store, "verify", "ann", ANN, 60_000)
    await local.age(ANN)
    results: list[Any] = await asyncio.gather(
        local.confirm(one),
        *(local.create(f"k{n}", username=f"k{n}", email=ANN, password="x") for n in range(4)),
        return_exceptions=True,
    )
    proved, *claims = results
    # Who comes first may take it, and who proves it takes it back.
    assert proved.value == ANN
    assert await local.login(ANN, "x") == "ann"
    assert all(isinstance(claim, dict | UsernameTaken) for claim in claims)


async def test_a_token_used_by_many_at_once_is_spent_once(local: Local) -> None:
    """TOK-23."""
    await local.create("ann", email=ANN, password="x")
    one = await local.token("ann", ANN)
    results = await asyncio.gather(
        *(local.confirm(one) for _ in range(50)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, InvalidVerificationToken) for result in results) == 49


async def test_of_two_who_verify_one_address_the_first_has_it(local: Local) -> None:
    for kuid in ("one", "two"):
        await local.create(kuid, username=kuid, password="x")
    await local.create("eve", username="eve", email=ANN, password="x")
    both = [await local.token(kuid, ANN) for kuid in ("one", "two")]
    results = await asyncio.gather(
        *(local.confirm(one) for one in both),
        return_exceptions=True,
    )
    assert sum(isinstance(result, UsernameTaken) for result in results) == 1
    assert await local.login(ANN, "x") in ("one", "two")


async def test_of_two_who_take_the_names_of_a_third_at_once_one_leaves_one(local: Local) -> None:
    await local.create("ann", email=[ANN, BOB], password="x")
    await local.age(ANN)
    await local.age(BOB)
    results = await asyncio.gather(
        local.create("k1", username="k1", email=ANN, password="x"),
        local.create("k2", username="k2", email=BOB, password="x"),
        return_exceptions=True,
    )
    assert sum(isinstance(result, UsernameTaken) for result in results) == 1
    left = (await local.get("ann") or {})["username"]
    assert await local.login(left, "x") == "ann"
