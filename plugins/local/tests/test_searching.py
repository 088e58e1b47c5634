"""Accounts are found by user name and kuid, and nothing else of them can be guessed at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import ostiary_local
from ostiary import Field, Filter, FoundCredentials, OneOf, Order, Prefix, Words
from ostiary.filters import All, Between, Everything, Ids, Not, Present, Some, Wildcard
from ostiary_local.errors import NoSuchAccount, NotSearched, PrivateField
from ostiary_local.tables import accounts

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio

ANN, BOB, DAN = ({"username": name, "kuid": f"kuid-{name}"} for name in ("Ann", "bob", "dan"))


@pytest.fixture
async def three(local: Local) -> Local:
    for account in (ANN, BOB, DAN):
        await local.create(account["kuid"], username=account["username"], password="secret")
    return local


async def search(
    local: Local, filter: Filter, *sort: Order, offset: int = 0, limit: int = 10
) -> FoundCredentials:
    return await ostiary_local.ostiary_search_credentials(
        store=local.store, filter=filter, sort=sort, offset=offset, limit=limit
    )


def username(*names: str) -> Field:
    return Field("username", OneOf(names))


@pytest.mark.parametrize(
    "filter, hits",
    [
        (Everything(), [ANN, BOB, DAN]),
        (username("Ann"), [ANN]),
        (username("ann"), []),
        (username("bob", "dan"), [BOB, DAN]),
        (Field("kuid", OneOf(("kuid-bob",))), [BOB]),
        (Field("username", Prefix("A")), [ANN]),
        (Field("username", Prefix("a", ignore_case=True)), [ANN]),
        (Field("username", Prefix("%")), []),
        (Some((username("bob"), Field("username", Words(("bob",))))), [BOB]),
        (Not(username("bob")), [ANN, DAN]),
        (All((Not(username("bob")), Field("kuid", Prefix("kuid-d")))), [DAN]),
    ],
    ids=str,
)
async def test_accounts_are_found_by_user_name_and_kuid(
    three: Local, filter: Filter, hits: list[Any]
) -> None:
    assert await search(three, filter) == FoundCredentials(hits, len(hits))


async def test_accounts_are_found_by_any_of_their_addresses(three: Local) -> None:
    eve = await three.create("eve", email=["e@x.example", "v@x.example"], password="x")
    hit = {**eve, "kuid": "eve"}
    await three.update("kuid-bob", phone="+33612345678")
    for filter, kuids in (
        (Field("email", OneOf(("v@x.example",))), ["eve"]),
        (Field("email", Prefix("e@")), ["eve"]),
        (Not(Field("email", OneOf(("v@x.example",)))), ["kuid-Ann", "kuid-bob", "kuid-dan"]),
        (Field("phone", OneOf(("+33612345678",))), ["kuid-bob"]),
        (All((username("bob"), Field("phone", Prefix("+33")))), ["kuid-bob"]),
        (username("e@x.example"), []),
    ):
        found = await search(three, filter)
        assert [one["kuid"] for one in found.hits] == kuids
        assert found.total == len(kuids)
    assert (await search(three, Everything(), Order("email"), limit=1)).hits == [hit]
    last = await search(three, Everything(), Order("email", descending=True), offset=3)
    assert last.hits == [DAN]


async def test_a_page_is_a_part_of_the_whole_in_the_order_asked_for(three: Local) -> None:
    down = Order("kuid", descending=True)
    assert await search(three, Everything(), down, limit=2) == FoundCredentials([DAN, BOB], 3)
    assert await search(three, Everything(), down, offset=2) == FoundCredentials([ANN], 3)


PRIVATE = {column.name for column in accounts.columns} - {"username", "kuid"}


@pytest.mark.parametrize("name", sorted({*PRIVATE, "password", "userPassword", "userSalt"}))
async def test_what_nobody_may_see_cannot_be_searched_for(three: Local, name: str) -> None:
    """INP-02, PWD-11"""
    for filter in (
        Field(name, Prefix("$argon2")),
        Not(Some((username("x"), Field(name, OneOf((1,)))))),
    ):
        with pytest.raises(PrivateField) as refusal:
            await search(three, filter)
        assert (refusal.value.status, refusal.value.props) == (403, [name])
    with pytest.raises(PrivateField):
        await search(three, Everything(), Order(name))


@pytest.mark.parametrize(
    "filter",
    [
        Field("nothing", OneOf((1,))),
        Field("username", Wildcard("*")),
        Field("username", Present()),
        Field("kuid", Between(gt="a")),
        Ids(("a",)),
    ],
    ids=str,
)
async def test_what_is_not_searched_for_is_refused(three: Local, filter: Filter) -> None:
    with pytest.raises(NotSearched):
        await search(three, Not(filter))


async def test_an_account_is_known_by_its_user_name(three: Local) -> None:
    async def by_id(id: str) -> Any:
        return await ostiary_local.ostiary_get_credentials_by_id(
            strategy=three.strategy, store=three.store, id=id
        )

    assert await by_id("Ann") == await by_id("ann") == ANN
    with pytest.raises(NoSuchAccount) as refusal:
        await by_id("ghost")
    assert refusal.value.status == 412


@pytest.mark.parametrize(
    "test, hits",
    [
        (Prefix("A"), [ANN]),
        (Prefix("", ignore_case=True), [ANN, BOB, DAN]),
        (OneOf(("dan", "Ann", "nobody")), [ANN, DAN]),
        (Prefix("%"), []),
    ],
    ids=str,
)
async def test_names_of_one_kind_are_found_in_their_order(
    three: Local, test: Prefix | OneOf, hits: list[Any]
) -> None:
    found = await search(three, Field("username", test), Order("username"))
    assert sorted(found.hits, key=str) == sorted(hits, key=str)
    assert [hit["username"] for hit in found.hits] == sorted(hit["username"] for hit in hits)
    assert found.total == len(hits)
    rest = await search(three, Field("username", test), Order("username"), offset=1, limit=1)
    assert rest.hits == found.hits[1:2]
    assert rest.total == len(hits)
