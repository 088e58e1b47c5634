"""Who has signed in at a provider is a user by that account, or what the operator makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ostiary import Newcomer, Verified, errors
from ostiary_oauth import attributes, claimed
from ostiary_oauth.errors import InvitationNeeded, NoAccount, SigningUp
from ostiary_oauth.provider import ProfileRule
from ostiary_oauth.sessions import session_name
from ostiary_oauth.tokens import opened

if TYPE_CHECKING:
    from .conftest import OAuth

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

STAFF = ProfileRule(claim="groups", value="staff", profile="staff")
ADMINS = ProfileRule(claim="groups", value="admins", profile="admin")


def address(**fields: Any) -> dict[str, Any]:
    return {"email": "ann@example.org", "email_verified": True, **fields}


@both
async def test_a_stranger_becomes_a_user_and_is_that_user_from_then_on(oauth: OAuth) -> None:
    verdict = await oauth.decide(oauth.proved("0042", claims={"name": "Ann", "age": 42}))
    assert isinstance(verdict, Newcomer)
    assert verdict.content == {"profileIds": ["default"]}
    assert (await oauth.sign_in(oauth.proved("0042", claims={"name": "Ann"}))).kuid == "ann"
    assert (await oauth.sign_in(oauth.proved("0042"), "another")).kuid == "ann"
    assert len(await oauth.rows()) == 1


async def test_users_made_just_in_time_get_the_default_profiles(oauth: OAuth) -> None:
    verdict = await oauth.configured(default_profiles=("guest", "eu")).decide(oauth.proved())
    assert isinstance(verdict, Newcomer)
    assert verdict.content == {"profileIds": ["guest", "eu"]}


async def test_an_address_alone_is_nobody(oauth: OAuth) -> None:
    """OAU-11: an account is known by issuer and subject; an address never links by default."""
    oauth.people.has("ann")
    oauth.people.verified["ann@example.org"] = "ann"
    verdict = await oauth.decide(oauth.proved("evil", **address()))
    assert isinstance(verdict, Newcomer)
    assert oauth.people.linked == []


async def test_a_subject_is_not_the_same_at_another_issuer(oauth: OAuth) -> None:
    """OAU-11: the second of two providers cannot speak for accounts of the first."""
    await oauth.sign_in(oauth.proved("0042"))
    verdict = await oauth.decide(oauth.proved("0042", issuer="https://evil.example.org"))
    assert isinstance(verdict, Newcomer)


@pytest.mark.parametrize("subject", ["0042 ", "\uff100\uff14\uff12", "42", "0042\u200b", "OO42"])
async def test_a_subject_is_compared_exactly(oauth: OAuth, subject: str) -> None:
    """OAU-11."""
    await oauth.sign_in(oauth.proved("0042"))
    assert isinstance(await oauth.decide(oauth.proved(subject)), Newcomer)


@pytest.mark.parametrize("case", ["upper", "lower"])
async def test_the_case_of_a_subject_counts(oauth: OAuth, case: str) -> None:
    """OAU-11; OpenID Connect Core, 2: a subject is case-sensitive."""
    await oauth.sign_in(oauth.proved("AbCd"))
    assert isinstance(await oauth.decide(oauth.proved(getattr("AbCd", case)())), Newcomer)


async def test_claims_give_no_rights_unless_the_operator_says_so(oauth: OAuth) -> None:
    """OAU-12."""
    claims = {"groups": ["admins"], "profileIds": ["admin"], "roles": ["admin"], "kuid": "root"}
    wide = oauth.configured(persist=("sub", "groups", "profileIds", "kuid", "_id"))
    verdict = await wide.decide(wide.proved(claims=claims))
    assert isinstance(verdict, Newcomer)
    assert verdict.content == {"profileIds": ["default"]}
    assert "kuid" not in verdict.credentials[claimed.PROVED]["attributes"]
    await wide.sign_in(wide.proved(claims=claims))
    assert await wide.decide(wide.proved(claims=claims)) == Verified("ann", None, None)


async def test_claims_give_the_profiles_that_rules_name_at_each_login(oauth: OAuth) -> None:
    ruled = oauth.configured(profile_rules=(STAFF, ADMINS))
    both_groups = ruled.proved(claims={"groups": ["staff", "admins", "others"]})
    verdict = await ruled.decide(both_groups)
    assert isinstance(verdict, Newcomer)
    assert verdict.content == {"profileIds": ["default", "staff", "admin"]}
    await ruled.sign_in(both_groups)
    verdict = await ruled.decide(ruled.proved(claims={"groups": "staff"}))
    assert isinstance(verdict, Verified)
    assert verdict.profiles == ("default", "staff")
    verdict = await ruled.decide(ruled.proved(claims={}))
    assert isinstance(verdict, Verified)
    assert verdict.profiles == ("default",)


async def test_profiles_that_no_rule_names_are_an_administrators_to_give(oauth: OAuth) -> None:
    ruled = oauth.configured(profile_rules=(STAFF,))
    await ruled.sign_in(ruled.proved(claims={"groups": ["staff"]}))
    ruled.people.has("ann", "auditor", "staff")
    verdict = await ruled.decide(ruled.proved(claims={"groups": []}))
    assert isinstance(verdict, Verified)
    assert verdict.profiles == ("auditor",)


async def test_a_user_always_has_a_profile(oauth: OAuth) -> None:
    ruled = oauth.configured(profile_rules=(STAFF,), default_profiles=("guest",))
    await ruled.sign_in(ruled.proved(claims={"groups": ["staff"]}))
    ruled.people.has("ann", "staff")
    verdict = await ruled.decide(ruled.proved(claims={}))
    assert isinstance(verdict, Verified)
    assert verdict.profiles == ("guest",)


@pytest.mark.parametrize(
    "groups", ["Staff", "staff ", ["Staff"], {"staff": True}, [["staff"]], "staff,admins", True]
)
async def test_a_claim_gives_a_profile_only_if_it_is_exactly_what_the_rule_says(
    oauth: OAuth, groups: Any
) -> None:
    """OAU-12."""
    ruled = oauth.configured(profile_rules=(STAFF,))
    verdict = await ruled.decide(ruled.proved(claims={"groups": groups}))
    assert isinstance(verdict, Newcomer)
    assert verdict.content == {"profileIds": ["default"]}


async def test_strangers_are_refused_where_the_operator_says_so(oauth: OAuth) -> None:
    closed = oauth.configured(admission="refuse")
    with pytest.raises(NoAccount):
        await closed.decide(closed.proved())
    await closed.create(closed.people.has("ann"), {"sub": "0042"})
    assert (await closed.sign_in(closed.proved())).kuid == "ann"


async def test_strangers_are_told_that_they_need_an_invitation(oauth: OAuth) -> None:
    invited = oauth.configured(admission="invite")
    with pytest.raises(InvitationNeeded) as refused:
        await invited.decide(invited.proved("0042", **address()))
    assert "ann@example.org" not in str(refused.value)


async def test_an_account_whose_user_is_deleted_signs_nobody_in(oauth: OAuth) -> None:
    await oauth.create("ann", {"sub": "0042"})
    await oauth.age(120_000)
    with pytest.raises(errors.LoginRefused):
        await oauth.decide(oauth.proved())


async def test_who_signs_in_while_the_user_is_being_created_is_told_to_sign_in_again(
    oauth: OAuth,
) -> None:
    await oauth.create("ann", {"sub": "0042"})
    with pytest.raises(SigningUp):
        await oauth.decide(oauth.proved())
    oauth.people.has("ann")
    assert await oauth.decide(oauth.proved()) == Verified("ann", None, None)


@both
async def test_a_login_refreshes_what_is_kept_of_the_profile(oauth: OAuth) -> None:
    await oauth.sign_in(oauth.proved(claims={"name": "Ann", "email": "old@example.org"}))
    await oauth.update("ann", {"note": "by an administrator"})
    await oauth.sign_in(oauth.proved(claims={"name": "Anna"}))
    assert await oauth.get("ann") == {
        "sub": "0042",
        "name": "Anna",
        "note": "by an administrator",
    }


async def test_a_login_that_brings_nothing_new_writes_nothing(oauth: OAuth) -> None:
    await oauth.sign_in(oauth.proved(claims={"name": "Ann"}))
    before = await oauth.rows()
    await oauth.sign_in(oauth.proved(claims={"name": "Ann"}))
    assert await oauth.rows() == before


async def test_a_login_brings_new_tokens_where_they_are_kept(oauth: OAuth) -> None:
    keeping = oauth.configured(keep_tokens=True)
    first = {"access_token": "first", "refresh_token": "lasting", "expires_at": 4e9}
    await keeping.sign_in(keeping.proved(tokens=first))
    await keeping.sign_in(keeping.proved(tokens={"access_token": "second"}))
    (row,) = await keeping.rows()
    held = opened(keeping.store, row["id"], row["tokens"])
    assert (held["access_token"], held["refresh_token"]) == ("second", "lasting")


async def test_tokens_go_with_the_next_login_once_they_are_not_kept_any_more(oauth: OAuth) -> None:
    """OAU-19."""
    keeping = oauth.configured(keep_tokens=True)
    await keeping.sign_in(keeping.proved(tokens={"access_token": "first"}))
    without = oauth.configured(keep_tokens=False)
    await without.sign_in(without.proved(tokens={"access_token": "second"}))
    (row,) = await without.rows()
    assert row["tokens"] is None


async def test_a_session_is_named_after_the_strategy_and_the_providers_own(oauth: OAuth) -> None:
    verdict = await oauth.sign_in(oauth.proved(session="08a5019c-17e1-4977-8f42-65a12843ea02"))
    verdict = await oauth.sign_in(oauth.proved(session="08a5019c-17e1-4977-8f42-65a12843ea02"))
    assert verdict.session == session_name("work", "08a5019c-17e1-4977-8f42-65a12843ea02")
    assert session_name("work", "1") != session_name("home", "1")
    assert len(session_name("w" * 63, "x" * 100_000)) <= 512


async def test_an_address_that_both_sides_verified_links_where_the_operator_says_so(
    oauth: OAuth,
) -> None:
    linking = oauth.configured(link_by_email=True)
    linking.people.has("ann")
    linking.people.verified["ann@example.org"] = "ann"
    verdict = await linking.sign_in(linking.proved("0042", **address()), "another")
    assert verdict.kuid == "ann"
    ((strategy, kuid, call),) = linking.people.linked
    assert (strategy, kuid, call.kuid) == ("work", "ann", "ann")
    # From now on it is the account that counts, and not the address.
    linking.people.verified.clear()
    assert (await linking.sign_in(linking.proved("0042"), "another")).kuid == "ann"


@pytest.mark.parametrize(
    "fields",
    [
        {"email_verified": False},
        {"email": None},
        {"email": "bob@example.org"},
        {"email": "ann@example.org\0"},
        {"email": "\ud800@example.org"},
        {"email": "a" * 400 + "@example.org"},
    ],
)
async def test_an_address_that_not_both_have_verified_links_nothing(
    oauth: OAuth, fields: dict[str, Any]
) -> None:
    """OAU-11."""
    linking = oauth.configured(link_by_email=True)
    linking.people.has("ann")
    linking.people.verified["ann@example.org"] = "ann"
    verdict = await linking.decide(linking.proved("evil", **address(**fields)))
    assert isinstance(verdict, Newcomer)
    assert linking.people.linked == []


async def test_a_mailbox_that_was_given_to_another_person_does_not_open_the_first_ones_account(
    oauth: OAuth,
) -> None:
    """OAU-11: who has another account of this provider already is not who comes with this one."""
    linking = oauth.configured(link_by_email=True)
    linking.people.verified["ann@example.org"] = "ann"
    await linking.sign_in(linking.proved("0042", **address()))
    verdict = await linking.decide(linking.proved("0043", **address()))
    assert isinstance(verdict, Newcomer)


@pytest.mark.parametrize(
    "fields, why",
    [
        ({"email": None}, "the provider has given none"),
        ({"email_verified": False}, "the provider does not say"),
        ({"email": "bob@example.org"}, "no user has verified it here"),
        ({}, "user ann has another account"),
    ],
)
async def test_the_log_says_why_an_address_links_nobody(
    oauth: OAuth, fields: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    linking = oauth.configured(link_by_email=True)
    linking.people.verified["ann@example.org"] = linking.people.has("ann")
    await linking.sign_in(linking.proved("0042", **address()))
    with caplog.at_level("INFO", "ostiary_oauth"):
        await linking.decide(linking.proved("0043", **address(**fields)))
    assert f"'work' is not linked by its address: {why}" in caplog.text
    assert "@example.org" not in caplog.text


async def test_the_address_of_a_disabled_user_lets_nobody_in(oauth: OAuth) -> None:
    linking = oauth.configured(link_by_email=True)
    linking.people.has("ann", enabled=False)
    linking.people.verified["ann@example.org"] = "ann"
    with pytest.raises(errors.LoginRefused):
        await linking.decide(linking.proved("0042", **address()))
    assert linking.people.linked == []


async def test_linking_by_address_comes_before_strangers_are_refused(oauth: OAuth) -> None:
    linking = oauth.configured(link_by_email=True, admission="refuse")
    linking.people.has("ann")
    linking.people.verified["ann@example.org"] = "ann"
    assert (await linking.sign_in(linking.proved(**address()))).kuid == "ann"


async def test_what_travels_through_the_core_is_nothing_that_is_shown(oauth: OAuth) -> None:
    """OAU-19: neither the proof nor the tokens in it are seen by a client."""
    keeping = oauth.configured(keep_tokens=True)
    await keeping.sign_in(keeping.proved(tokens={"access_token": "very-secret"}))
    seen = repr((await keeping.get("ann"), await keeping.by_id("0042")))
    assert claimed.PROVED not in seen
    assert "very-secret" not in seen


async def test_the_attributes_of_a_stranger_are_bounded(oauth: OAuth) -> None:
    claims = {f"a{number}": "x" * 8_000 for number in range(20)}
    wide = oauth.configured(persist=("sub", *claims))
    verdict = await wide.decide(wide.proved(claims=claims))
    assert isinstance(verdict, Newcomer)
    kept = verdict.credentials[claimed.PROVED]["attributes"]
    assert attributes.size(kept) <= attributes.LARGEST
    assert replace(verdict).content == {"profileIds": ["default"]}
