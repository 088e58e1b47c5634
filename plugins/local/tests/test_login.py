"""Signing in: the right password of the right account, and nothing learnt from any other."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ostiary import errors
from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters
from ostiary_local import accounts, passwords
from ostiary_local.errors import InvalidUsername, UsernameTaken

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio

CHEAPEST = Argon2Parameters(time_cost=5, memory_cost=7168)
DEARER = Argon2Parameters(time_cost=6, memory_cost=7168)
PATIENCE = 30

few = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
known = st.characters(exclude_categories=("Cs", "Cn"))
printable = st.text(known, min_size=1, max_size=80).filter(
    lambda text: any(one.isprintable() and not one.isspace() for one in text)
)


async def test_a_user_signs_in_with_name_and_password(local: Local) -> None:
    await local.create("kuid-ann", username="ann", password="secret")
    assert await local.login("ann", "secret") == "kuid-ann"


@few
@given(password=printable, other=printable)
async def test_any_password_verifies_and_another_does_not(
    local: Local, password: str, other: str
) -> None:
    await local.delete("ann")
    await local.create("ann", username="ann", password=password)
    assert await local.login("ann", password) == "ann"
    if passwords.normal(other) != passwords.normal(password):
        with pytest.raises(errors.LoginRefused):
            await local.login("ann", other)


async def test_a_letter_may_be_typed_in_either_form(local: Local) -> None:
    await local.create("ann", username="ann", password="cafe\u0301")
    assert await local.login("ann", "caf\u00e9") == "ann"


async def test_a_password_of_piled_marks_is_a_wrong_one(local: Local) -> None:
    await local.create("ann", username="ann", password="x")
    for name in ("ann", "nobody"):
        with pytest.raises(errors.LoginRefused) as refusal:
            await local.login(name, "x" + "\u0316\u0301" * 900)
        assert refusal.value.kuid is None


async def test_unknown_user_and_wrong_password_get_the_same_answer(local: Local) -> None:
    """AUTH-01."""
    await local.create("ann", username="ann", password="secret")
    answers = []
    for username in ("ann", "nobody", "no\u200bbody", "n" * 513):
        with pytest.raises(errors.LoginRefused) as refusal:
            await local.login(username, "wrong")
        answers.append(refusal.value.to_json())
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["status"] == 401
    assert answers[0]["message"] == "Wrong user name or password."


async def test_unknown_user_and_wrong_password_need_the_same_work(local: Local) -> None:
    """AUTH-02: with no place in the queue, both are turned away alike."""
    pool, gate = HashPool(1, 0), threading.Event()
    local = await local.reopened(pool, CHEAPEST)
    await local.create("ann", username="ann", password="secret")
    busy = asyncio.create_task(pool.run(lambda: gate.wait(PATIENCE)))
    await asyncio.sleep(0)
    for username in ("ann", "nobody", "no\u200bbody"):
        with pytest.raises(errors.Overloaded):
            await local.login(username, "wrong")
    # PWD-02: too long for anybody, and so no work at all.
    with pytest.raises(errors.LoginRefused):
        await local.login("ann", "x" * 4097)
    gate.set()
    assert await busy
    pool.close()


@pytest.mark.parametrize("missing", [None, "", 0, 1, True, [], ["secret"], {"$ne": ""}], ids=repr)
async def test_credentials_that_are_no_texts_are_refused(local: Local, missing: object) -> None:
    """AUTH-12."""
    await local.create("ann", username="ann", password="secret")
    for username, password in (("ann", missing), (missing, "secret"), (missing, missing)):
        with pytest.raises(errors.LoginRefused, match="Missing credentials"):
            await local.login(username, password)


async def test_credentials_that_are_not_given_are_refused(local: Local) -> None:
    for fields in ({}, {"username": "ann"}, {"password": "secret"}, {"login": "ann"}):
        with pytest.raises(errors.LoginRefused, match="Missing credentials"):
            await local.verify(fields)


# Names


async def test_all_spellings_of_a_name_sign_in(local: Local) -> None:
    await local.create("ann", username="Straße", password="secret")
    for username in ("Straße", "strasse", "STRASSE", "\uff53\uff54\uff52\uff41\uff53\uff53\uff45"):
        assert await local.login(username, "secret") == "ann"
    assert await local.get("ann") == {"username": "Straße"}


async def test_no_spelling_of_a_taken_name_is_free(local: Local) -> None:
    await local.create("ann", username="Ann", password="secret")
    await local.create("bob", username="bob", password="secret")
    for username in ("Ann", "ann", "ANN", "\uff41\uff4e\uff4e"):
        with pytest.raises(UsernameTaken) as refusal:
            await local.create("eve", username=username, password="secret")
        assert refusal.value.status == 412
        with pytest.raises(UsernameTaken):
            await local.update("bob", username=username)
    assert await local.get("eve") is None
    assert await local.get("bob") == {"username": "bob"}


async def test_a_lookalike_opens_no_other_account(local: Local) -> None:
    """CVE-2019-19844."""
    await local.create("mike", username="mike@example.org", password="secret")
    with pytest.raises(errors.LoginRefused):
        await local.login("m\u0131ke@example.org", "secret")


async def test_exact_matching_tells_spellings_apart(local: Local) -> None:
    exact = local.configured(usernameMatching="exact")
    await exact.create("ann", username="ann", password="secret")
    await exact.create("Ann", username="Ann", password="secret")
    assert await exact.login("ann", "secret") == "ann"
    assert await exact.login("Ann", "secret") == "Ann"
    with pytest.raises(errors.LoginRefused):
        await exact.login("ANN", "secret")
    with pytest.raises(UsernameTaken):
        await exact.create("eve", username="ann", password="secret")


async def test_attempts_are_counted_by_what_the_spellings_of_a_name_share(local: Local) -> None:
    """AUTH-20: another spelling is no other chance."""
    spellings = ("Straße", "STRASSE", "\uff53\uff54\uff52\uff41\uff53\uff53\uff45")
    counted = {local.strategy.account({"username": name, "password": "x"}) for name in spellings}
    assert counted == {"strasse"}
    exact = local.configured(usernameMatching="exact").strategy
    assert exact.account({"username": "Ann"}) == "Ann"
    assert local.strategy.account({"username": "A" * 100_000}) == "A" * 100_000
    for nobody in (None, "", 5, ["ann"]):
        assert local.strategy.account({"username": nobody}) is None


async def test_accounts_outlive_a_change_of_the_matching(local: Local) -> None:
    folded, exact = local, local.configured(usernameMatching="exact")
    await folded.create("ann", username="Ann", password="secret")
    await exact.create("bob", username="Bob", password="secret")
    await exact.create("bert", username="bob", password="terces")
    assert await exact.login("Ann", "secret") == "ann"
    assert await folded.login("Bob", "secret") == "bob"
    assert await folded.login("bob", "terces") == "bert"
    assert await folded.login("ANN", "secret") == "ann"
    with pytest.raises(UsernameTaken):
        await folded.create("eve", username="BOB", password="secret")
    with pytest.raises(UsernameTaken):
        await exact.create("eve", username="Ann", password="secret")


@few
@given(username=st.text(max_size=30))
async def test_every_name_is_taken_whole_or_refused(local: Local, username: str) -> None:
    await local.delete("ann")
    try:
        await local.create("ann", username=username, password="secret")
    except InvalidUsername:
        with pytest.raises(errors.LoginRefused):
            await local.login(username, "secret")
    else:
        assert await local.login(username, "secret") == "ann"
        assert await local.get("ann") == {"username": username}


# The cost of a hash


async def test_a_login_renews_an_outdated_hash(local: Local, pool: HashPool) -> None:
    """PWD-07."""
    await local.create("ann", username="ann", password="secret")
    before = local.row("ann")
    later = await local.reopened(pool, DEARER)
    with pytest.raises(errors.LoginRefused):
        await later.login("ann", "wrong")
    assert local.row("ann") == before
    assert await later.login("ann", "secret") == "ann"
    after = local.row("ann")
    assert after["hash"].startswith("$argon2id$v=19$m=7168,t=6,p=1$")
    assert {**after, "hash": before["hash"]} == before
    assert await later.login("ann", "secret") == "ann"
    assert local.row("ann") == after


async def test_logins_during_a_renewal_all_succeed(local: Local, pool: HashPool) -> None:
    """PWD-07."""
    await local.create("ann", username="ann", password="secret")
    later = await local.reopened(pool, DEARER)
    logins = [later.login("ann", "secret") for _ in range(8)]
    assert await asyncio.gather(*logins) == ["ann"] * 8


async def test_a_renewal_never_undoes_a_change_of_the_password(local: Local) -> None:
    await local.create("ann", username="ann", password="secret")
    before = await accounts.of(local.store, "ann")
    assert before is not None
    await local.update("ann", password="terces")
    await accounts.renew(local.store, before, await local.store.hasher.hash("secret"))
    assert await local.login("ann", "terces") == "ann"


async def test_a_renewal_that_fails_is_told_and_the_login_succeeds(
    local: Local, pool: HashPool, caplog: pytest.LogCaptureFixture
) -> None:
    await local.create("ann", username="ann", password="secret-of-ann")
    stored = local.row("ann")["hash"]
    with closing(sqlite3.connect(local.folder / "local.db")) as file:
        file.executescript(
            "CREATE TRIGGER no BEFORE UPDATE ON accounts BEGIN SELECT RAISE(ABORT, 'no'); END;"
        )
    later = await local.reopened(pool, DEARER)
    assert await later.login("ann", "secret-of-ann") == "ann"
    assert local.row("ann")["hash"] == stored
    (record,) = [one for one in caplog.records if one.name == "ostiary_local.proofs"]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "the hash of user 'ann' is outdated and was not renewed: IntegrityError"
    )
