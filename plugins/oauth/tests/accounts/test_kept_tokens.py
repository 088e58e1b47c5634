"""What is kept of a provider's tokens, for whom it opens, and who renews it when others write too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import update
from starlette.responses import JSONResponse

from ostiary import SealBroken
from ostiary_oauth import errors, renewal, tokens
from ostiary_oauth.tables import identities
from ostiary_oauth.tokens import Kept

from ..provider import Loopback  # noqa: TID252 - the folders of tests are no packages

if TYPE_CHECKING:
    from .conftest import OAuth

pytestmark = pytest.mark.anyio

GIVEN = {"access_token": "an access token", "refresh_token": "a refresh token"}
SOON = {**GIVEN, "expires_at": 5}


@pytest.fixture
def keeping(oauth: OAuth) -> OAuth:
    return oauth.configured(keep_tokens=True)


@pytest.fixture
def renewing(oauth: OAuth, loopback: Loopback) -> OAuth:
    """The plugin, and a provider that renews."""
    loopback.answers["/token"] = lambda _: JSONResponse(
        {"access_token": "a new one", "expires_in": 300}
    )
    return oauth.configured(
        keep_tokens=True,
        issuer=loopback.url,
        client_id=loopback.client_id,
        client_secret=loopback.client_secret,
        insecure_http=True,
    )


async def kept(oauth: OAuth, given: Mapping[str, Any], subject: str = "0042") -> Kept:
    """Sign in with some tokens, and return what is kept of them."""
    issuer = oauth.strategy.provider.issuer
    await oauth.sign_in(oauth.proved(subject, tokens=given, issuer=issuer))
    return await tokens.of_user(oauth.strategy, oauth.store, "ann", subject)


def renewals(loopback: Loopback) -> int:
    return sum(form.get("grant_type") == "refresh_token" for _, _, form in loopback.asked)


async def test_a_client_with_a_key_proves_who_it_is_when_it_renews_too(
    renewing: OAuth, loopback: Loopback
) -> None:
    key = ECKey.generate_key("P-256").as_pem(private=True).decode()
    signing = renewing.configured(
        keep_tokens=True,
        issuer=loopback.url,
        client_authentication="private_key_jwt",
        private_key=key,
        insecure_http=True,
    )
    await renewal.fresh(signing.strategy, signing.store, await kept(signing, SOON))
    (form,) = [form for _, path, form in loopback.asked if path == "/token"]
    assert form["grant_type"] == "refresh_token"
    assert form["client_assertion"].count(".") == 2
    assert "client_secret" not in form


async def test_what_is_kept_is_what_is_of_use(keeping: OAuth) -> None:
    """OAU-19."""
    given = {**GIVEN, "id_token": "an id token", "scope": "a b", "token_type": "Bearer"}
    more = {"expires_at": 1_800_000_000, "expires_in": 300, "more": "x", "secret": ["y"]}
    found = await kept(keeping, {**given, **more})
    assert found.tokens == {**given, "expires_at": 1_800_000_000}
    (row,) = await keeping.rows()
    assert row["tokens_expire_at"] == 1_800_000_000_000
    assert b"token" not in row["tokens"]
    assert "a refresh token" not in repr(found)


@pytest.mark.parametrize("expires_at", [None, True, "soon", -1, 0, float("nan"), 1e30, [1]])
async def test_an_end_that_is_none_is_not_believed(keeping: OAuth, expires_at: Any) -> None:
    assert tokens.ends_at({"expires_at": expires_at}) is None
    found = await kept(keeping, {**GIVEN, "expires_at": expires_at})
    assert found.tokens == GIVEN


async def test_what_is_too_long_or_no_text_is_not_kept(keeping: OAuth) -> None:
    long = "x" * (tokens.LONGEST + 1)
    found = await kept(keeping, {**GIVEN, "id_token": long, "refresh_token": 5, "scope": ""})
    assert found.tokens == {"access_token": "an access token"}
    for nothing in ({"access_token": long}, {"access_token": ["x"]}, {"refresh_token": "x"}):
        assert tokens.columns(keeping.strategy, keeping.store, "id", nothing) == tokens.NONE_KEPT


async def test_nothing_is_kept_unless_the_operator_asks_for_it(oauth: OAuth) -> None:
    """OAU-19."""
    await oauth.sign_in(oauth.proved(tokens=GIVEN))
    (row,) = await oauth.rows()
    assert row["tokens"] is row["tokens_expire_at"] is None


async def test_a_refresh_token_that_is_given_once_stays(keeping: OAuth) -> None:
    await kept(keeping, GIVEN)
    found = await kept(keeping, {"access_token": "another"})
    assert found.tokens == {"access_token": "another", "refresh_token": "a refresh token"}
    assert (await kept(keeping, {**GIVEN, "refresh_token": "r2"})).tokens["refresh_token"] == "r2"


async def test_what_is_sealed_for_one_account_opens_for_no_other(keeping: OAuth) -> None:
    """OAU-19."""
    one, other = await kept(keeping, GIVEN), await kept(keeping, GIVEN, "0043")
    with pytest.raises(SealBroken):
        tokens.opened(keeping.store, other.id, one.sealed)
    assert one.sealed != other.sealed


async def test_a_login_replaces_what_cannot_be_opened_any_more(keeping: OAuth) -> None:
    found = await kept(keeping, GIVEN)
    async with keeping.store.begin() as db:
        broken = update(identities).where(identities.c.id == found.id)
        await db.execute(broken.values(tokens=b"\x00broken"))
    assert (await kept(keeping, {"access_token": "new"})).tokens == {"access_token": "new"}


async def test_of_several_accounts_one_is_named(keeping: OAuth) -> None:
    await kept(keeping, GIVEN)
    await keeping.link("ann", keeping.proved("0043", tokens={"access_token": "second"}))
    with pytest.raises(errors.SeveralAccounts):
        await tokens.of_user(keeping.strategy, keeping.store, "ann")
    found = await tokens.of_user(keeping.strategy, keeping.store, "ann", "0043")
    assert found.tokens == {"access_token": "second"}
    with pytest.raises(errors.NoTokens):
        await tokens.of_user(keeping.strategy, keeping.store, "ann", "0044")


async def test_no_token_goes_to_another_provider_than_gave_it(keeping: OAuth) -> None:
    """OAU-11: not even where the operator has given its strategy another issuer."""
    await kept(keeping, GIVEN)
    moved = keeping.configured(keep_tokens=True, issuer="https://other.example.org")
    with pytest.raises(errors.NoTokens):
        await tokens.of_user(moved.strategy, moved.store, "ann")


async def test_a_claim_of_who_has_died_ends(renewing: OAuth, loopback: Loopback) -> None:
    found = await kept(renewing, SOON)
    for left, renewed in ((60_000, 0), (-1, 1)):
        async with renewing.store.begin() as db:
            until = int(time.time() * 1000) + left
            await db.execute(update(identities).values(tokens_claimed_until=until))
        again = await tokens.again(renewing.store, found)
        assert again is not None
        # It lasts for long enough that nobody has to wait.
        ends = replace(again, tokens={**again.tokens, "expires_at": time.time() + 30})
        await renewal.fresh(renewing.strategy, renewing.store, ends)
        assert renewals(loopback) == renewed


async def test_what_a_provider_leaves_away_stays(renewing: OAuth) -> None:
    """RFC 6749, 6: it need not give another refresh token."""
    found = await kept(renewing, {**SOON, "id_token": "an id token"})
    fresh = await renewal.fresh(renewing.strategy, renewing.store, found)
    again = await tokens.again(renewing.store, found)
    assert again is not None
    assert dict(again.tokens).pop("expires_at") > time.time()
    for held in (fresh, again.tokens):
        assert held["access_token"] == "a new one"
        assert (held["refresh_token"], held["id_token"]) == ("a refresh token", "an id token")
    assert again.claimed_until is None


@pytest.mark.parametrize("answer", ["renewed", "revoked"])
async def test_a_login_meanwhile_brings_what_counts(
    renewing: OAuth, loopback: Loopback, answer: str
) -> None:
    found = await kept(renewing, SOON)
    loop = asyncio.get_running_loop()

    def log_in(_request: Any) -> JSONResponse:
        brought = {"access_token": "of the login", "refresh_token": "r2"}
        asyncio.run_coroutine_threadsafe(kept(renewing, brought), loop).result()
        if answer == "renewed":
            return JSONResponse({"access_token": "late", "expires_in": 300})
        return JSONResponse({"error": "invalid_grant"}, 400)

    loopback.answers["/token"] = log_in
    fresh = await renewal.fresh(renewing.strategy, renewing.store, found)
    assert fresh == {"access_token": "of the login", "refresh_token": "r2"}
    again = await tokens.again(renewing.store, found)
    assert again is not None
    assert again.tokens == fresh


async def test_a_new_master_key_meanwhile_loses_nothing(
    renewing: OAuth, loopback: Loopback
) -> None:
    found = await kept(renewing, SOON)
    loop = asyncio.get_running_loop()

    async def seal_again() -> None:
        same = tokens.sealed(renewing.store, found.id, found.tokens)
        async with renewing.store.begin() as db:
            await db.execute(update(identities).values(tokens=same))

    def rotate(_request: Any) -> JSONResponse:
        asyncio.run_coroutine_threadsafe(seal_again(), loop).result()
        return JSONResponse({"access_token": "a new one", "expires_in": 300})

    loopback.answers["/token"] = rotate
    fresh = await renewal.fresh(renewing.strategy, renewing.store, found)
    again = await tokens.again(renewing.store, found)
    assert again is not None
    assert again.tokens["access_token"] == fresh["access_token"] == "a new one"


async def test_who_waits_for_another_is_told_when_that_has_failed(renewing: OAuth) -> None:
    found = await kept(renewing, SOON)
    claimed = replace(found, claimed_until=int(time.time() * 1000) + 60_000)
    with pytest.raises(errors.ProviderUnavailable):
        await renewal.fresh(renewing.strategy, renewing.store, claimed)
    await renewing.erase("ann")
    with pytest.raises(errors.SignInAgain):
        await renewal.fresh(renewing.strategy, renewing.store, claimed)


async def test_a_token_that_ended_and_cannot_be_renewed_asks_for_a_login(keeping: OAuth) -> None:
    found = await kept(keeping, {"access_token": "an access token", "expires_at": 5})
    with pytest.raises(errors.SignInAgain):
        await renewal.fresh(keeping.strategy, keeping.store, found)
    lasting = replace(found, tokens={**found.tokens, "expires_at": time.time() + 30})
    assert await renewal.fresh(keeping.strategy, keeping.store, lasting) is lasting.tokens
