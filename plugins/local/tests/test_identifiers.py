"""E-mail addresses and telephone numbers are names like user names: each is one account's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ostiary_local
from ostiary import Call, errors
from ostiary_local import emails, names, phones
from ostiary_local.errors import (
    InvalidEmail,
    InvalidPhone,
    InvalidUsername,
    InvalidVerified,
    MissingUsername,
    NoNameLeft,
    NoSuchAccount,
    NoSuchName,
    TooManyNames,
    UsernameTaken,
    VerifiedForbidden,
)

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio

ANN, BOB = "ann@example.com", "bob@example.com"
NUMBER = "+33612345678"


async def test_a_user_signs_in_with_any_name(local: Local) -> None:
    await local.create(
        "ann", username="Ann", email=[ANN, "a@b.example"], phone=NUMBER, password="x"
    )
    for name in ("ann", ANN, "ANN@Example.COM", "a@b.example", NUMBER, "+33 (0)6 12-34-56-78"):
        assert await local.login(name, "x") == "ann"
        assert (await local.by_id(name))["kuid"] == "ann"
    with pytest.raises(NoSuchAccount):
        await local.by_id(BOB)


@pytest.mark.parametrize(
    "fields, name", [({"email": ANN}, ANN), ({"phone": NUMBER}, NUMBER), ({"email": [ANN]}, ANN)]
)
async def test_an_address_is_name_enough(local: Local, fields: dict[str, Any], name: str) -> None:
    seen = await local.create("ann", password="x", **fields)
    assert seen["username"] == name
    assert await local.login(name, "x") == "ann"


@pytest.mark.parametrize(
    "fields", [{}, {"email": None}, {"email": []}, {"username": None, "phone": None}], ids=str
)
async def test_an_account_has_a_name(local: Local, fields: dict[str, Any]) -> None:
    with pytest.raises(MissingUsername) as refusal:
        await local.create("ann", password="x", **fields)
    assert refusal.value.status == 400


async def test_whoever_has_addresses_is_shown_with_them(local: Local) -> None:
    assert await local.create("bob", username="bob", password="x") == {"username": "bob"}
    seen = await local.create("ann", username="Ann", email="Ann@EXAMPLE.com", password="x")
    assert seen == {
        "username": "Ann",
        "identifiers": [
            {"kind": "username", "value": "Ann", "verified": False},
            {"kind": "email", "value": "Ann@example.com", "verified": False},
        ],
    }
    assert await local.get("ann") == seen
    assert await local.by_id("ann@example.com") == {**seen, "kuid": "ann"}
    assert await local.update("ann", email=None) == {"username": "Ann"}


async def test_a_user_name_may_be_the_address_too(local: Local) -> None:
    seen = await local.create("ann", username=ANN, email=ANN, password="x")
    assert seen["identifiers"] == [{"kind": "email", "value": ANN, "verified": False}]
    assert await local.update("ann", username=ANN.upper()) == seen
    await local.create("bob", username=BOB, password="x")
    seen = await local.update("bob", email=BOB)
    assert seen["identifiers"] == [{"kind": "email", "value": BOB, "verified": False}]
    assert await local.update("bob", username=BOB, email=[]) == {"username": BOB}


async def test_an_update_replaces_the_names_of_the_kinds_it_gives(local: Local) -> None:
    await local.create(
        "ann", username="ann", email=[ANN, BOB], phone=NUMBER, verified=[BOB], password="x"
    )
    seen = await local.update("ann", email=["c@d.example", "BOB@example.com"])
    assert seen["identifiers"] == [
        {"kind": "username", "value": "ann", "verified": False},
        {"kind": "email", "value": "BOB@example.com", "verified": True},
        {"kind": "email", "value": "c@d.example", "verified": False},
        {"kind": "phone", "value": NUMBER, "verified": False},
    ]
    with pytest.raises(errors.LoginRefused):
        await local.login(ANN, "x")
    await local.create("eve", username="eve", email=ANN, password="x")
    assert await local.login(ANN, "x") == "eve"


async def test_the_last_name_stays(local: Local) -> None:
    await local.create("ann", email=ANN, password="x")
    emptied: tuple[dict[str, Any], ...] = ({"email": []}, {"email": None, "phone": None})
    for fields in emptied:
        with pytest.raises(NoNameLeft):
            await local.update("ann", **fields)
    assert await local.login(ANN, "x") == "ann"


async def test_an_account_has_at_most_ten_names(local: Local) -> None:
    many = [f"a{n}@example.com" for n in range(9)]
    await local.create("ann", username="ann", email=many, password="x")
    for fields in ({"phone": NUMBER}, {"email": [f"b{n}@example.com" for n in range(10_000)]}):
        with pytest.raises(TooManyNames):
            await local.update("ann", **fields)
    assert len((await local.by_id("ann"))["identifiers"]) == 10


@pytest.mark.parametrize(
    "fields, refusal",
    [
        ({"email": "ann"}, InvalidEmail),
        ({"email": 5}, InvalidEmail),
        ({"email": {"$ne": ""}}, InvalidEmail),
        ({"email": [ANN, None]}, InvalidEmail),
        ({"email": ANN + "\n"}, InvalidEmail),
        ({"email": "Ann <ann@example.com>"}, InvalidEmail),
        ({"email": "ann@example.com, bob@example.com"}, InvalidEmail),
        ({"email": "a" * 10**6 + "@example.com"}, InvalidEmail),
        # The mailbox of another, with the same key.
        ({"email": "\u00aann@example.com"}, InvalidEmail),
        ({"phone": "12345"}, InvalidPhone),
        ({"phone": "+1"}, InvalidPhone),
        ({"phone": 33612345678}, InvalidPhone),
        ({"phone": "06 12 34 56 78"}, InvalidPhone),
        ({"phone": "+" + "3" * 10**6}, InvalidPhone),
        ({"verified": ANN}, InvalidVerified),
        ({"verified": [5]}, InvalidVerified),
        ({"verified": ["ann"]}, InvalidVerified),
        ({"verified": [ANN] * 11}, InvalidVerified),
        ({"username": 5, "email": ANN}, InvalidUsername),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_no_address_is_refused(
    local: Local, fields: dict[str, Any], refusal: type[errors.OstiaryError]
) -> None:
    with pytest.raises(refusal) as raised:
        await local.create("ann", **{"username": "ann", "password": "x", **fields})
    assert raised.value.status == 400
    assert await local.get("ann") is None


async def test_who_has_lost_all_names_gets_another(local: Local) -> None:
    await local.create("eve", email=ANN, password="x")
    await local.create("ann", email=ANN, verified=[ANN], password="x")
    assert await local.update("eve", password="y") == {"identifiers": []}
    assert await local.update("eve", username="eve") == {"username": "eve"}
    assert await local.login("eve", "y") == "eve"


# Attacks


@pytest.mark.parametrize("matching", [*names.PROFILES, "exact"])
@pytest.mark.parametrize(
    "spelling",
    [
        ANN,
        "ANN@EXAMPLE.COM",
        "ann\uff20example.com",
        "\uff41nn@example\uff0ecom",
        '"ann"@example.com',
        NUMBER,
        "+33 6 12 34 56 78",
        "\uff0b33612345678",
        "+\u0663\u0663\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
        "06 12 34 56 78",
        "0033-6-12-34-56-78",
    ],
    ids=ascii,
)
async def test_nobody_takes_an_address_as_a_user_name_beside_its_owner(
    local: Local, matching: str, spelling: str
) -> None:
    local = local.configured(usernameMatching=matching, phoneRegion="FR")
    await local.create("ann", email=ANN, phone=NUMBER, password="x")
    # Either it is hers, or no profile lets anybody have it.
    with pytest.raises((UsernameTaken, InvalidUsername)):
        await local.create("eve", username=spelling, password="x")
    assert await local.login(spelling, "x") == "ann"


async def test_attempts_on_an_account_are_counted_once_for_each_name(local: Local) -> None:
    """AUTH-20, AUTH-22: whether the account exists or not."""
    french = local.configured(phoneRegion="FR").strategy
    for spellings in (
        (ANN, "ANN@example.com", " ann@EXAMPLE.com ", "ann\uff20example.com", '"ann"@example.com'),
        (NUMBER, "06 12 34 56 78", "+33 (0)6 12 34 56 78", "0033612345678"),
        ("nobody", "NOBODY ", "\uff4eobody"),
    ):
        counted = {french.account({"username": spelling}) for spelling in spellings}
        assert counted == {spellings[0]}


@given(local_part=st.from_regex(r"[a-z\u00df\u0131\u017f\u212a]{1,6}", fullmatch=True))
def test_an_address_that_may_be_claimed_shares_its_key_with_no_other_mailbox(
    local_part: str,
) -> None:
    """CVE-2019-19844."""
    email = local_part + "@example.com"
    try:
        value = emails.fit(email)
    except InvalidEmail:
        return
    assert value == email
    assert emails.key(value) == value


@given(text=st.text(max_size=80) | st.emails() | st.from_regex(r"[^\w\s]{0,3}@[^\w\s]{0,3}"))
def test_every_text_is_an_address_or_refused(text: str) -> None:
    for region in (None, "FR"):
        with suppress(InvalidEmail):
            assert names.key(emails.fit(text), "exact", region) == emails.key(text)
        with suppress(InvalidPhone):
            assert names.key(text, "exact", region) == phones.fit(text, region)


# Claims that nobody has verified


async def test_a_fresh_claim_stands_and_an_old_one_gives_way(local: Local) -> None:
    await local.create("eve", username="eve", email=ANN, password="x")
    with pytest.raises(UsernameTaken):
        await local.create("ann", username="ann", email=ANN, password="x")
    await local.age(ANN)
    with pytest.raises(UsernameTaken):
        await local.configured(unverifiedExpires=-1).create("ann", email=ANN, password="x")
    await local.create("ann", username="ann", email=ANN, password="x")
    assert await local.login(ANN, "x") == "ann"
    assert await local.get("eve") == {"username": "eve"}


async def test_nobody_is_shut_out_by_a_mere_claim(local: Local) -> None:
    await local.create("ann", email=ANN, password="x")
    await local.create("bob", username=BOB, phone=NUMBER, password="x")
    await local.age(ANN)
    await local.age(BOB)
    for taken in (ANN, BOB):
        attempts: tuple[dict[str, Any], ...] = ({"email": taken}, {"username": taken})
        for fields in attempts:
            with pytest.raises(UsernameTaken):
                await local.create("eve", password="x", **fields)
    assert await local.login(ANN, "x") == "ann"
    assert await local.login(BOB, "x") == "bob"


async def test_what_is_verified_wins_and_stays(local: Local) -> None:
    await local.create("eve", email=ANN, password="x")
    await local.create("mal", phone=NUMBER, password="x")
    more: dict[str, Any] = {"phone": NUMBER, "verified": [ANN, NUMBER]}
    await local.create("ann", email=ANN, password="x", **more)
    assert await local.login(ANN, "x") == await local.login(NUMBER, "x") == "ann"
    assert await local.get("eve") == await local.get("mal") == {"identifiers": []}
    await local.age(ANN)
    for fields in ({"email": ANN}, {"email": ANN, "verified": [ANN]}, {"username": ANN}):
        with pytest.raises(UsernameTaken):
            await local.update("eve", **fields)
    assert await local.update("eve", username="eve") == {"username": "eve"}


@pytest.mark.parametrize(
    "kind, mightier", [("username", False), ("username", True), ("email", True)]
)
async def test_a_word_takes_no_user_name_and_nothing_from_the_mightier(
    local: Local, kind: str, mightier: bool
) -> None:
    """AZ-20: a delegate would shut out the last administrator."""
    local.people.mightier.update({"root"} if mightier else ())
    await local.create("root", password="x", **{kind: ANN})
    await local.age(ANN)
    before = await local.get("root")
    with pytest.raises(UsernameTaken):
        await local.create("new", email=ANN, verified=[ANN], password="y")
    await local.create("eve", username="eve", password="y")
    with pytest.raises(UsernameTaken):
        await local.update("eve", by="eve", email=ANN, verified=[ANN])
    # Past the validation: what is written is asked for again.
    with pytest.raises(UsernameTaken):
        await ostiary_local.ostiary_update_credentials(
            strategy=local.strategy,
            store=local.store,
            kuid="eve",
            credentials={"email": ANN, "verified": [ANN]},
            call=local.call,
            directory=local.directory,
        )
    assert await local.get("root") == before
    assert await local.get("eve") == {"username": "eve"}
    assert await local.login(ANN, "x") == "root"


async def test_a_command_of_the_operator_takes_claims_from_anybody(local: Local) -> None:
    local.people.mightier.add("root")
    await local.create("root", username="root", email=ANN, password="x")
    operator = replace(local, call=Call(controller="admin", protocol="cli"))
    await operator.create("ann", email=ANN, verified=[ANN], password="y")
    assert await local.login(ANN, "y") == "ann"


async def test_administrators_say_what_is_verified_and_nobody_else(local: Local) -> None:
    await local.create("ann", username="ann", email=ANN, password="x")
    for stranger in (
        local.called("auth", "updateMyCredentials"),
        local.called("security", "createRestrictedUser"),
        local.called("kuzzle-plugin-auth-passport-local/password", "reset"),
    ):
        with pytest.raises(VerifiedForbidden) as refusal:
            await stranger.update("ann", verified=[ANN])
        assert refusal.value.status == 403
        with pytest.raises(VerifiedForbidden):
            await stranger.create("eve", email="eve@example.com", verified=[], password="x")
    with pytest.raises(NoSuchName):
        await local.update("ann", verified=[BOB])
    seen = await local.update("ann", verified=["ANN@example.com"])
    assert seen["identifiers"][1] == {"kind": "email", "value": ANN, "verified": True}
    assert await local.update("ann", password="y") == seen


@pytest.mark.parametrize("typed", [ANN, "ANN@Example.COM"])
async def test_another_plugin_is_told_who_has_verified_an_address(local: Local, typed: str) -> None:
    """OAU-11: however its spelling differs that opens the account, too."""
    await local.create("ann", email=ANN, password="x", verified=[ANN])
    told = await ostiary_local.ostiary_verified_address({"dev": True}, local.store, typed)
    assert told == "ann"


async def test_who_only_claims_an_address_is_named_to_nobody(local: Local) -> None:
    """OAU-11: nor who has it as a user name, or a number that was verified."""
    await local.create("ann", email=ANN, password="x")
    await local.create("eve", username=BOB, phone=NUMBER, password="x", verified=[NUMBER])
    for typed in (ANN, BOB, NUMBER, "", "@", "nobody@example.com", "x" * 400, "é@exämple.com"):
        settings = {"dev": True}
        assert await ostiary_local.ostiary_verified_address(settings, local.store, typed) is None
