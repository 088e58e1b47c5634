"""An account at a provider is one user's, and nobody says by themselves that it is theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import ostiary_oauth
from ostiary import Call, Field, OneOf, Order, Prefix
from ostiary.declarations import RESERVED, fault_of
from ostiary.filters import Everything, Wildcard
from ostiary_oauth import claimed, errors, identities
from ostiary_oauth.errors import (
    IdentifierFixed,
    IdentityExists,
    IdentityTaken,
    InvalidAttribute,
    InvalidIdentifier,
    MissingIdentifier,
    NoIdentity,
    NoSuchIdentity,
    NotProved,
    SigningUp,
    TooManyIdentities,
)

if TYPE_CHECKING:
    from .conftest import OAuth

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

BY_ADMINISTRATORS = [
    ("security", "createUser"),
    ("security", "createFirstAdmin"),
    ("security", "upsertUser"),
    ("security", "createCredentials"),
    ("security", "validateCredentials"),
    ("security", "loadSecurities"),
    ("admin", "loadSecurities"),
]
BY_ANYBODY = [
    ("security", "createRestrictedUser"),
    ("auth", "createMyCredentials"),
    ("auth", "updateMyCredentials"),
    ("auth", "validateMyCredentials"),
    ("auth", "login"),
    ("plugin/identity", "add"),
    ("", ""),
]


@pytest.mark.parametrize("controller, action", BY_ANYBODY)
async def test_nobody_says_by_themselves_whose_account_it_is(
    oauth: OAuth, controller: str, action: str
) -> None:
    """OAU-15, CVE-2026-49443: an account that is not proved would be another's to sign in with."""
    call = Call(kuid="eve", controller=controller, action=action)
    for fields in ({"sub": "0042"}, claimed.carried(oauth.strategy.provider, oauth.proved())):
        with pytest.raises(NotProved):
            await oauth.validate("eve", fields, call)
        with pytest.raises(NotProved):
            await oauth.write("eve", fields, call)
    assert await oauth.rows() == []


async def test_users_do_not_change_what_is_kept_of_their_account(oauth: OAuth) -> None:
    """OAU-15."""
    await oauth.create("ann", {"sub": "0042"})
    call = Call(kuid="ann", controller="auth", action="updateMyCredentials")
    with pytest.raises(NotProved):
        await oauth.validate("ann", {"email": "root@example.org"}, call, partial=True)


async def test_at_the_end_of_a_flow_fields_that_were_not_proved_say_nothing(oauth: OAuth) -> None:
    """OAU-15: what a client sends along is not what the flow has proved."""
    call = Call(kuid="eve", controller="auth", action="login", state={"verifier": "x"})
    with pytest.raises(NotProved):
        await oauth.create("eve", {"sub": "0042"}, call)


@pytest.mark.parametrize("controller, action", BY_ADMINISTRATORS)
async def test_an_administrator_says_whose_account_it_is(
    oauth: OAuth, controller: str, action: str
) -> None:
    call = Call(kuid="root", controller=controller, action=action)
    seen = await oauth.create("ann", {"sub": "0042", "name": "Ann"}, call)
    assert seen == {"sub": "0042", "name": "Ann"}
    (row,) = await oauth.rows()
    assert (row["strategy"], row["issuer"], row["subject"], row["kuid"]) == (
        "work",
        "https://id.example.org",
        "0042",
        "ann",
    )


async def test_an_administrator_cannot_write_what_only_a_flow_proves(oauth: OAuth) -> None:
    """OAU-15: the member that carries a proof is none of an administrator's attributes."""
    fields = {"sub": "1", **claimed.carried(oauth.strategy.provider, oauth.proved("0042"))}
    with pytest.raises(InvalidAttribute):
        await oauth.create("ann", fields)


@pytest.mark.parametrize(
    "fields, refusal",
    [
        ({}, MissingIdentifier),
        ({"sub": None}, MissingIdentifier),
        ({"sub": ""}, MissingIdentifier),
        ({"name": "Ann"}, MissingIdentifier),
        ({"sub": True}, InvalidIdentifier),
        ({"sub": 1.5}, InvalidIdentifier),
        ({"sub": ["0042"]}, InvalidIdentifier),
        ({"sub": "x" * 256}, InvalidIdentifier),
        ({"sub": "a\nb"}, InvalidIdentifier),
        ({"sub": "a\0b"}, InvalidIdentifier),
        ({"sub": "\ud800"}, InvalidIdentifier),
        ({"sub": "1", "kuid": "root"}, InvalidAttribute),
        ({"sub": "1", "_id": "root"}, InvalidAttribute),
    ],
)
async def test_credentials_name_an_account_by_a_text(
    oauth: OAuth, fields: Mapping[str, Any], refusal: type[Exception]
) -> None:
    """OAU-13: a subject is a text of at most 255 characters without control characters."""
    with pytest.raises(refusal):
        await oauth.validate("ann", fields)


async def test_a_number_that_names_an_account_is_the_same_as_its_digits(oauth: OAuth) -> None:
    github = oauth.configured(identifier="id", protocol="oauth2", persist=("id",))
    await github.create(github.people.has("ann"), {"id": 583231})
    assert (await github.sign_in(github.proved("583231"))).kuid == "ann"
    assert (await github.by_id("583231"))["kuid"] == "ann"
    with pytest.raises(IdentityTaken):
        await github.validate("bob", {"id": "583231"})


async def test_an_identifier_may_stand_deep_in_a_profile(oauth: OAuth) -> None:
    x = oauth.configured(identifier="data.id", protocol="oauth2")
    await x.create("ann", {"data": {"id": "2244994945"}})
    assert (await x.by_id("2244994945"))["kuid"] == "ann"


async def test_of_many_tenants_an_administrator_says_which(oauth: OAuth) -> None:
    """OAU-11: the same subject in another tenant is another account."""
    mine = "11111111-1111-1111-1111-111111111111"
    other = "22222222-2222-2222-2222-222222222222"
    issuer = "https://login.microsoftonline.com/{tenantid}/v2.0"
    microsoft = oauth.configured(issuer=issuer, tenants=(mine, other))
    await microsoft.create("ann", {"sub": "0042", "tid": mine})
    await microsoft.create("bob", {"sub": "0042", "tid": other})
    assert {row["issuer"]: row["kuid"] for row in await microsoft.rows()} == {
        issuer.format(tenantid=mine): "ann",
        issuer.format(tenantid=other): "bob",
    }
    with pytest.raises(MissingIdentifier):
        await microsoft.validate("cleo", {"sub": "1"})
    with pytest.raises(InvalidAttribute):
        await microsoft.validate("cleo", {"sub": "1", "tid": f"{mine}/../{other}"})


@both
async def test_an_account_is_one_users(oauth: OAuth) -> None:
    await oauth.create("ann", {"sub": "0042"})
    with pytest.raises(IdentityTaken):
        await oauth.validate("bob", {"sub": "0042"})
    with pytest.raises(IdentityTaken):
        await oauth.write("bob", {"sub": "0042"})
    with pytest.raises(IdentityExists):
        await oauth.write("ann", {"sub": "0042"})
    assert [row["kuid"] for row in await oauth.rows()] == ["ann"]


async def test_the_same_subject_of_another_issuer_or_strategy_is_another_account(
    oauth: OAuth,
) -> None:
    """OAU-11: who vouches is part of who it is."""
    await oauth.create("ann", {"sub": "0042"})
    await oauth.configured(name="home").create("bob", {"sub": "0042"})
    moved = oauth.configured(issuer="https://elsewhere.example.org")
    await moved.create("cleo", {"sub": "0042"})
    assert (await oauth.by_id("0042"))["kuid"] == "ann"
    assert (await moved.by_id("0042"))["kuid"] == "cleo"


@both
async def test_a_user_may_have_several_accounts_of_one_provider(oauth: OAuth) -> None:
    await oauth.create("ann", {"sub": "1", "name": "Ann"})
    seen = await oauth.link("ann", oauth.proved("2", claims={"name": "Dr. Ann"}))
    assert seen == {
        "sub": "1",
        "name": "Ann",
        "identities": [{"_id": "2", "sub": "2", "name": "Dr. Ann"}],
    }
    assert (await oauth.by_id("2"))["kuid"] == "ann"
    await oauth.erase("ann")
    assert await oauth.rows() == []


async def test_a_user_has_no_more_accounts_than_anybody_needs(oauth: OAuth) -> None:
    for number in range(identities.MOST):
        await oauth.link("ann", oauth.proved(str(number)))
    with pytest.raises(TooManyIdentities):
        await oauth.link("ann", oauth.proved("one more"))


async def test_linking_an_account_of_another_user_is_refused(oauth: OAuth) -> None:
    await oauth.create("ann", {"sub": "0042"})
    with pytest.raises(IdentityTaken) as refused:
        await oauth.link("bob", oauth.proved("0042"))
    # OAU-17: nothing that the provider has said comes back.
    assert "0042" not in str(refused.value)
    with pytest.raises(IdentityExists):
        await oauth.link("ann", oauth.proved("0042"))


@both
async def test_of_two_who_sign_up_with_one_account_at_once_one_does(oauth: OAuth) -> None:
    """Neither a second user nor a half-made one is left; who loses is told to sign in again."""
    call = Call(controller="auth", action="login", state={"verifier": "x"})
    fields = claimed.carried(oauth.strategy.provider, oauth.proved(), newcomer=True)
    results = await asyncio.gather(
        *(oauth.write(f"new{number}", fields, call) for number in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Mapping) for one in results) == 1
    assert sum(isinstance(one, SigningUp) for one in results) == 4
    assert len(await oauth.rows()) == 1


async def test_an_update_merges_attributes_and_never_moves_the_account(oauth: OAuth) -> None:
    await oauth.create("ann", {"sub": "0042", "name": "Ann", "address": {"town": "Bonn"}})
    seen = await oauth.update("ann", {"name": "Anna", "address": {"street": "Ring"}})
    assert seen == {
        "sub": "0042",
        "name": "Anna",
        "address": {"town": "Bonn", "street": "Ring"},
    }
    with pytest.raises(IdentifierFixed):
        await oauth.update("ann", {"sub": "0043"})
    with pytest.raises(NoIdentity):
        await oauth.update("bob", {"name": "Bob"})
    (row,) = await oauth.rows()
    assert row["subject"] == "0042"


async def test_an_update_changes_the_account_that_it_names(oauth: OAuth) -> None:
    await oauth.create("ann", {"sub": "1", "name": "Ann"})
    await oauth.link("ann", oauth.proved("2"))
    seen = await oauth.update("ann", {"sub": "2", "name": "Dr. Ann"})
    assert seen["name"] == "Ann"
    assert seen["identities"] == [{"_id": "2", "sub": "2", "name": "Dr. Ann"}]


async def test_an_update_keeps_within_the_bounds(oauth: OAuth) -> None:
    await oauth.create("ann", {"sub": "1", **{f"a{number}": "x" * 8_000 for number in range(3)}})
    with pytest.raises(errors.TooManyAttributes):
        await oauth.update("ann", {"b": "x" * 8_000, "c": "x" * 8_000})


async def test_an_account_is_found_by_its_identifier(oauth: OAuth) -> None:
    await oauth.create("ann", {"sub": "0042", "name": "Ann"})
    assert await oauth.by_id("0042") == {
        "_id": "0042",
        "kuid": "ann",
        "sub": "0042",
        "name": "Ann",
    }
    for id in ("0043", "", "a\0b", "\ud800"):
        with pytest.raises(NoSuchIdentity):
            await oauth.by_id(id)


async def test_nothing_is_there_of_who_has_no_account_and_erasing_it_changes_nothing(
    oauth: OAuth,
) -> None:
    await oauth.create("ann", {"sub": "0042"})
    await oauth.erase("bob")
    assert await oauth.get("bob") is None
    assert await oauth.get("ann") == {"sub": "0042"}


async def test_attributes_that_a_provider_never_had_to_say_are_stored_on_both_databases(
    oauth: OAuth,
) -> None:
    name = "Zoë \U0001f600 'quoted' \"twice\" \\ \u2028"
    assert (await oauth.create("ann", {"sub": "Zoë", "name": name}))["name"] == name
    assert (await oauth.by_id("Zoë"))["name"] == name


@both
async def test_accounts_are_searched_by_identifier_and_kuid(oauth: OAuth) -> None:
    for number, kuid in enumerate(("ann", "bob", "cleo")):
        await oauth.create(kuid, {"sub": f"00{number}", "email": f"{kuid}@example.org"})
    await oauth.configured(name="home").create("dan", {"sub": "009"})

    async def found(filter: Any, *sort: Order, offset: int = 0) -> list[str]:
        page = await ostiary_oauth.ostiary_search_credentials(
            strategy=oauth.strategy,
            store=oauth.store,
            filter=filter,
            sort=sort,
            offset=offset,
            limit=2,
        )
        return [hit["kuid"] for hit in page.hits] + [str(page.total)]

    assert await found(Field("sub", OneOf(("001",)))) == ["bob", "1"]
    assert await found(Field("kuid", OneOf(("ann", "dan")))) == ["ann", "1"]
    assert await found(Field("sub", Prefix("00"))) == ["ann", "bob", "3"]
    assert await found(Everything(), Order("sub", descending=True)) == ["cleo", "bob", "3"]
    assert await found(Everything(), offset=2) == ["cleo", "3"]
    with pytest.raises(errors.NotSearched):
        await found(Field("email", OneOf(("ann@example.org",))))
    with pytest.raises(errors.NotSearched):
        await found(Field("sub", Wildcard("0*")))
    for name in ("tokens", "attributes", "id"):
        with pytest.raises(errors.PrivateField):
            await found(Field(name, OneOf(("x",))))


async def test_tokens_of_the_provider_are_sealed_and_shown_to_nobody(oauth: OAuth) -> None:
    """OAU-19."""
    keeping = oauth.configured(keep_tokens=True)
    tokens = {"access_token": "very-secret", "refresh_token": "more-secret", "expires_at": 4e9}
    seen = await keeping.link("ann", keeping.proved(tokens=tokens))
    (row,) = await keeping.rows()
    assert row["tokens_expire_at"] == 4_000_000_000_000
    assert b"secret" not in row["tokens"]
    assert "secret" not in repr((seen, await keeping.by_id("0042"), row["attributes"]))


async def test_tokens_are_not_kept_unless_the_operator_asks_for_it(oauth: OAuth) -> None:
    """OAU-19."""
    await oauth.link("ann", oauth.proved(tokens={"access_token": "very-secret"}))
    (row,) = await oauth.rows()
    assert row["tokens"] is None
    fields = claimed.carried(
        oauth.strategy.provider, oauth.proved(tokens={"access_token": "very-secret"})
    )
    assert "very-secret" not in repr(fields)


async def test_the_fields_of_a_strategy_are_the_identifier_and_what_is_kept(oauth: OAuth) -> None:
    """Contract, section 14: ``persist`` is also the fields."""
    x = oauth.configured(
        identifier="data.id", persist=("data.id", "name", "code", "picture.url", "state")
    ).strategy
    assert [one.name for one in x.described if one.registration] == ["name"]
    assert [one.name for one in oauth.strategy.described if one.registration] == [
        "sub",
        "email",
        "name",
    ]
    assert replace(oauth.strategy, label="x").several


async def test_what_the_server_itself_reads_is_kept_and_is_no_field(oauth: OAuth) -> None:
    strategy = oauth.configured(persist=("sub", *sorted(RESERVED))).strategy
    assert not fault_of(strategy)
    assert {one.name for one in strategy.described}.isdisjoint(RESERVED)
