"""An invitation lets one person in, once, for a while, as far as who invites may let them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from ostiary import Call, Newcomer, errors
from ostiary_oauth import admission, claimed, invitation_actions, invitations, sweeping
from ostiary_oauth.errors import (
    InvalidAttribute,
    InvalidInvitation,
    InvitationNeeded,
    NoAccount,
    NoSuchInvitation,
    RuledProfile,
    TooManyAttributes,
    TooManyInvitations,
)
from ostiary_oauth.provider import ProfileRule

if TYPE_CHECKING:
    from .conftest import OAuth

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

BOSS = Call(kuid="boss", controller="plugin/invitation", action="create")


@pytest.fixture
def house(oauth: OAuth) -> OAuth:
    """A provider whose strangers need an invitation, and somebody who may give two profiles."""
    house = oauth.configured(admission="invite")
    house.people.has("boss")
    house.people.may_give["boss"] = {"default", "staff"}
    return house


async def invite(oauth: OAuth, expires_in: int | None = None, **body: Any) -> dict[str, Any]:
    """Invite somebody by the action of the API."""
    made = await invitation_actions.create(
        store=oauth.store,
        directory=oauth.directory,
        strategies={"work": oauth.strategy},
        call=BOSS,
        body=body,
        expires_in=expires_in,
    )
    assert isinstance(made, dict)
    return made


def kept(code: str) -> Mapping[str, Any]:
    """Return what the state of a flow keeps of an invitation."""
    return admission.brought({"invitation": code})


@both
async def test_who_is_invited_becomes_the_user_that_the_invitation_describes(house: OAuth) -> None:
    content = {"profileIds": ["staff"], "team": "Bonn"}
    made = await invite(house, content=content)
    verdict = await house.decide(house.proved(), **kept(made["code"]))
    assert isinstance(verdict, Newcomer)
    assert verdict.content == content
    await house.sign_in(house.proved(), **kept(made["code"]))
    assert (await house.sign_in(house.proved())).kuid == "ann"
    assert await house.invited() == 0


async def test_without_profiles_of_its_own_it_gives_the_default_ones(house: OAuth) -> None:
    made = await invite(house)
    verdict = await house.decide(house.proved(), **kept(made["code"]))
    assert isinstance(verdict, Newcomer)
    assert verdict.content == {"profileIds": ["default"]}


async def test_only_the_fingerprint_of_a_code_is_stored_and_kept(house: OAuth) -> None:
    """A dump of the store lets nobody in."""
    made = await invite(house)
    (row,) = await house.invitation_rows()
    assert row["fingerprint"] == invitations.fingerprint(made["code"])
    assert made["code"] not in repr((row, kept(made["code"])))
    assert made["code"] not in repr(await invitations.find(house.store, made["_id"]))
    with pytest.raises(InvalidInvitation):
        await house.decide(house.proved(), **kept(made["_id"]))


@both
async def test_an_invitation_lets_one_person_in(house: OAuth) -> None:
    """Of those who accept it at once, one becomes a user; no half-made one is left."""
    made = await invite(house)
    verdicts = [
        await house.decide(house.proved(str(number)), **kept(made["code"])) for number in range(5)
    ]
    call = Call(controller="auth", action="login", state={"verifier": "x"})
    results = await asyncio.gather(
        *(
            house.write(f"new{number}", verdict.credentials, call)
            for number, verdict in enumerate(verdicts)
            if isinstance(verdict, Newcomer)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Mapping) for one in results) == 1
    assert sum(isinstance(one, InvalidInvitation) for one in results) == 4
    assert len(await house.rows()) == 1


async def test_a_creation_that_fails_spends_nothing(house: OAuth) -> None:
    await house.create(house.people.has("bob"), {"sub": "0042"})
    made = await invite(house)
    call = Call(controller="auth", action="login", state={"verifier": "x"})
    fields = claimed.carried(
        house.strategy.provider, house.proved(), newcomer=True, invitation=made["_id"]
    )
    with pytest.raises(errors.OstiaryError):
        await house.write("ann", fields, call)
    assert await house.invited() == 1


async def test_a_user_who_brings_an_invitation_is_still_that_user(house: OAuth) -> None:
    await house.create(house.people.has("ann"), {"sub": "0042"})
    made = await invite(house)
    assert (await house.sign_in(house.proved(), **kept(made["code"]))).kuid == "ann"
    assert await house.invited() == 1


async def test_an_invitation_expires(house: OAuth) -> None:
    made = await invite(house, expires_in=60_000)
    await house.age(60_000)
    with pytest.raises(InvalidInvitation):
        await house.decide(house.proved(), **kept(made["code"]))


async def test_an_invitation_that_expires_meanwhile_is_not_spent(house: OAuth) -> None:
    made = await invite(house, expires_in=60_000)
    verdict = await house.decide(house.proved(), **kept(made["code"]))
    assert isinstance(verdict, Newcomer)
    await house.age(60_000)
    call = Call(controller="auth", action="login", state={"verifier": "x"})
    with pytest.raises(InvalidInvitation):
        await house.write("ann", verdict.credentials, call)


async def test_an_invitation_for_an_address_wants_it_verified_by_the_provider(
    house: OAuth,
) -> None:
    made = await invite(house, email="Ann@example.org")
    for email, verified in [
        ("ann@example.org", False),
        ("bob@example.org", True),
        (None, True),
        # Folds to the same text, and is another mailbox.
        ("ann@example\u2024org", True),
        ("\u212ann@example.org", True),
    ]:
        with pytest.raises(InvalidInvitation):
            account = house.proved(email=email, email_verified=verified)
            await house.decide(account, **kept(made["code"]))
    account = house.proved(email="ann@EXAMPLE.org", email_verified=True)
    assert isinstance(await house.decide(account, **kept(made["code"])), Newcomer)


async def test_an_invitation_for_one_strategy_is_not_good_for_another(house: OAuth) -> None:
    made = await invite(house, strategy="work")
    elsewhere = house.configured(name="home", admission="invite")
    with pytest.raises(InvalidInvitation):
        await elsewhere.decide(elsewhere.proved(), **kept(made["code"]))
    house.configured(admission="invite")
    assert isinstance(await house.decide(house.proved(), **kept(made["code"])), Newcomer)


@pytest.mark.parametrize("code", ["", None, "wrong"])
async def test_without_a_valid_invitation_nobody_is_let_in(house: OAuth, code: str | None) -> None:
    wanted = InvalidInvitation if code else InvitationNeeded
    with pytest.raises(wanted):
        await house.decide(house.proved(), **admission.brought({"invitation": code}))


@pytest.mark.parametrize("code", [1, ["x"], {"a": "b"}, True])
def test_a_code_is_a_text(code: Any) -> None:
    with pytest.raises(errors.InvalidType):
        admission.brought({"invitation": code})


async def test_where_strangers_are_refused_no_invitation_lets_them_in(house: OAuth) -> None:
    made = await invite(house)
    closed = house.configured(admission="refuse")
    with pytest.raises(NoAccount):
        await closed.decide(closed.proved(), **kept(made["code"]))


async def test_nobody_invites_to_more_than_they_may_do_themselves(house: OAuth) -> None:
    """AZ-20."""
    with pytest.raises(errors.MissingRights):
        await invite(house, content={"profileIds": ["staff", "admin"]})
    assert await house.invited() == 0


async def test_nobody_is_let_in_by_who_may_not_invite_them_any_more(house: OAuth) -> None:
    """AZ-20: an invitation is no way to keep rights that were taken away."""
    made = await invite(house, content={"profileIds": ["staff"]})
    house.people.may_give["boss"] = {"default"}
    with pytest.raises(InvalidInvitation):
        await house.decide(house.proved(), **kept(made["code"]))
    house.people.may_give["boss"] = {"default", "staff"}
    house.people.has("boss", enabled=False)
    with pytest.raises(InvalidInvitation):
        await house.decide(house.proved(), **kept(made["code"]))
    house.people.has("boss")
    assert isinstance(await house.decide(house.proved(), **kept(made["code"])), Newcomer)


async def test_who_is_gone_invites_nobody(house: OAuth) -> None:
    del house.people.users["boss"]
    with pytest.raises(errors.MissingRights):
        await invite(house)
    assert await house.invited() == 0


@pytest.mark.parametrize("strategy", [None, "work"])
async def test_no_invitation_gives_a_profile_that_claims_would_take(
    house: OAuth, strategy: str | None
) -> None:
    rule = ProfileRule(claim="groups", value="staff", profile="staff")
    ruled = house.configured(admission="invite", profile_rules=(rule,))
    with pytest.raises(RuledProfile) as refused:
        await invite(ruled, strategy=strategy, content={"profileIds": ["default", "staff"]})
    assert '"staff"' in str(refused.value)
    assert '"work"' in str(refused.value)
    assert await ruled.invited() == 0
    await invite(ruled, strategy=strategy, content={"profileIds": ["default"]})


@pytest.mark.parametrize(
    "body, refusal",
    [
        ({"strategy": "elsewhere"}, errors.UnknownStrategy),
        ({"email": "nobody"}, errors.InvalidArgument),
        ({"email": "@example.org"}, errors.InvalidArgument),
        ({"email": "a\0@example.org"}, errors.InvalidArgument),
        ({"content": {"profileIds": []}}, errors.InvalidArgument),
        ({"content": {"profileIds": "admin"}}, errors.InvalidArgument),
        ({"content": {"profileIds": [1]}}, errors.InvalidArgument),
        ({"content": {"profileIds": ["default"] * 101}}, errors.InvalidArgument),
        ({"content": {"_id": "root"}}, InvalidAttribute),
        ({"content": {"kuid": "root"}}, InvalidAttribute),
        ({"content": {f"a{n}": "x" * 8_000 for n in range(10)}}, TooManyAttributes),
        ({"expires_in": 0}, errors.InvalidArgument),
        ({"expires_in": -1}, errors.InvalidArgument),
        ({"expires_in": 91 * 86_400_000}, errors.InvalidArgument),
    ],
)
async def test_an_invitation_that_could_not_be_kept_is_refused(
    house: OAuth, body: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await invite(house, **body)
    assert await house.invited() == 0


async def test_open_invitations_are_listed_and_taken_back(house: OAuth) -> None:
    first = await invite(house, email="ann@example.org")
    second = await invite(house, expires_in=60_000)
    listed: Any = await invitation_actions.list_(store=house.store)
    assert {one["_id"] for one in listed["invitations"]} == {first["_id"], second["_id"]}
    assert first["code"] not in repr(listed)
    page: Any = await invitation_actions.list_(store=house.store, start=1, size=1)
    assert len(page["invitations"]) == 1
    await invitation_actions.delete(store=house.store, id=first["_id"])
    with pytest.raises(InvalidInvitation):
        await house.decide(house.proved(), **kept(first["code"]))
    for id in (first["_id"], "nonsense", "", "00"):
        with pytest.raises(NoSuchInvitation):
            await invitation_actions.delete(store=house.store, id=id)
    await house.age(60_000)
    listed = await invitation_actions.list_(store=house.store)
    assert listed == {"invitations": []}


async def test_nobody_has_more_open_invitations_than_they_look_after(
    house: OAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MOST", 2)
    await invite(house)
    await invite(house)
    with pytest.raises(TooManyInvitations):
        await invite(house)


@both
async def test_what_is_over_is_forgotten_in_batches_and_what_is_not_stays(
    house: OAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 2)
    for _ in range(5):
        await invite(house, expires_in=60_000)
    made = await invite(house)
    await house.age(60_000)
    assert await sweeping.sweep(house.store) == 5
    (row,) = await house.invitation_rows()
    assert row["fingerprint"].hex() == made["_id"]
