"""Proving once more who one is, before one's own credentials change."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ostiary import Call, errors
from ostiary.services.subjects import Place
from ostiary.storage.tables import audit
from ostiary.testing.lock import lock
from ostiary.testing.packages import Package, installed

pytestmark = pytest.mark.anyio

CALL = Call(kuid="ann", controller="auth", action="updateMyCredentials")
HERE = Place("192.0.2.1")
FREE = 10
"""Failures before an account is held back."""

BARE = lock("bare", 'fields=("badge", CredentialField("code", secret=True))', 0x72)
"""Its strategy does not say by what attempts are counted."""

WRAPPER = Package(
    name="wrapper",
    source="""
from ostiary import hookimpl

@hookimpl(wrapper=True)
def ostiary_reauthenticate(kuid):
    return (yield)
""",
)


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[None]:
    with installed(tmp_path / "toys", lock(), BARE, WRAPPER):
        yield


@pytest.fixture
async def house(locks: None, open_house: Any) -> Any:
    house = await open_house("lock", "bare", "badge", "wrapper")
    for kuid in ("ann", "bob"):
        credentials = {
            "lock": {"badge": kuid, "code": "1234"},
            "bare": {"badge": kuid, "code": "1234"},
            "badge": {"badge": kuid},
        }
        await house.services.users.create(CALL, ("default",), {}, credentials, kuid=kuid)
    return house


@pytest.fixture
def asked(house: Any) -> list[Any]:
    """Who was asked for a proof."""
    return list_of(house, "lock")


def list_of(house: Any, plugin: str) -> list[Any]:
    found: list[Any] = sys.modules[f"toy_{plugin}"].asked
    found.clear()
    return found


async def prove(
    house: Any, code: str | None = None, kuid: str = "ann", strategy: str = "lock", **call: Any
) -> int:
    body = {} if code is None else {"currentCode": code}
    demand = house.services.reauthentication.demand
    since: int = await demand(strategy, kuid, body, Call(kuid=kuid, **call), HERE)
    return since


async def wrong(house: Any, code: str = "4321", **who: str) -> type[errors.OstiaryError]:
    """Give a wrong proof; return the class of the refusal."""
    with pytest.raises(errors.OstiaryError) as refused:
        await prove(house, code, **who)
    return refused.type


async def login(house: Any, code: str, strategy: str = "lock") -> Any:
    from ostiary.services.sessions import Origin

    fields = {"badge": "ann", "code": code}
    sign_in = house.services.logins.sign_in
    return await sign_in(strategy, fields, Call(), None, Origin(strategy), HERE)


async def test_who_proves_nothing_or_something_wrong_is_refused(
    house: Any, asked: list[Any]
) -> None:
    """PWD-08"""
    with pytest.raises(errors.BadRequestError) as missing:
        await prove(house)
    assert missing.value.id == "plugin.lock.no_proof"
    with pytest.raises(errors.ForbiddenError) as refused:
        await prove(house, "4321")
    assert refused.value.id == "plugin.lock.wrong_proof"
    await prove(house, "1234")
    assert [one[:2] for one in asked] == [
        ("ann", {}),
        ("ann", {"currentCode": "4321"}),
        ("ann", {"currentCode": "1234"}),
    ]


async def test_an_argument_that_is_a_field_of_the_strategy_reaches_it(
    house: Any, asked: list[Any]
) -> None:
    """PWD-08: Kuzzle's deprecated way to give the password; no other argument is shown."""
    await prove(house, args={"code": "1234", "other": "secret"})
    assert asked[0][2] == {"code": "1234"}


async def test_a_strategy_that_does_not_ask_is_content(house: Any, asked: list[Any]) -> None:
    """Also where another plugin wraps the hook."""
    await prove(house, strategy="badge")
    assert asked == []


async def test_who_has_no_credentials_is_told_so_and_not_asked(
    house: Any, asked: list[Any]
) -> None:
    await house.services.users.create(CALL, ("default",), {}, {}, kuid="carl")
    for strategy in ("lock", "badge"):
        with pytest.raises(errors.NoCredentials):
            await prove(house, "1234", "carl", strategy)
    with pytest.raises(errors.UnknownStrategy):
        await prove(house, "1234", strategy="none")
    assert asked == []


async def test_wrong_proofs_are_held_back_as_wrong_logins_are(house: Any, asked: list[Any]) -> None:
    """AUTH-20, AUTH-23: with a token in hand a password is not guessed any faster."""
    for number in range(FREE):
        assert (await wrong(house, str(number))).id == "plugin.lock.wrong_proof"
    with pytest.raises(errors.TooManyLogins) as refused:
        await prove(house, "1234")
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 900
    assert len(asked) == FREE
    with pytest.raises(errors.TooManyLogins):
        await login(house, "1234")


async def test_wrong_logins_hold_proofs_back(house: Any, asked: list[Any]) -> None:
    """AUTH-23: one limiter for all doors."""
    for number in range(FREE):
        with pytest.raises(errors.LoginRefused):
            await login(house, str(number))
    with pytest.raises(errors.TooManyLogins):
        await prove(house, "1234")
    assert asked == []


async def test_nobody_else_is_held_back(house: Any) -> None:
    """AUTH-26"""
    while await wrong(house) is not errors.TooManyLogins:
        pass
    await prove(house, "1234", "bob")


async def test_guesses_made_at_once_do_not_overrun_the_limit(house: Any, asked: list[Any]) -> None:
    """AUTH-21"""
    found = await asyncio.gather(*(wrong(house, str(number)) for number in range(40)))
    assert len(asked) == FREE
    assert found.count(errors.TooManyLogins) == 40 - FREE


async def test_a_missing_proof_is_no_attempt_and_a_right_one_is_given_back(
    house: Any, asked: list[Any]
) -> None:
    for _ in range(3 * FREE):
        await prove(house, "1234")
        with pytest.raises(errors.BadRequestError):
            await prove(house)
    assert len(asked) == 6 * FREE
    for _ in range(FREE):
        assert (await wrong(house)).id == "plugin.lock.wrong_proof"


async def test_a_right_proof_does_not_forgive_the_wrong_ones_before(house: Any) -> None:
    """A thief who once sees the owner prove it gets no new guesses."""
    for _ in range(FREE - 1):
        await wrong(house)
    await prove(house, "1234")
    assert (await wrong(house)).id == "plugin.lock.wrong_proof"
    assert await wrong(house) is errors.TooManyLogins


async def test_where_logins_name_no_account_proofs_are_counted_for_their_user(
    house: Any,
) -> None:
    """AUTH-20"""
    for number in range(FREE):
        assert (await wrong(house, str(number), strategy="bare")).id == "plugin.bare.wrong_proof"
    assert await wrong(house, strategy="bare") is errors.TooManyLogins
    await prove(house, "1234", "bob", "bare")


async def test_a_strategy_that_breaks_down_lets_nobody_through(house: Any) -> None:
    """AUTH-16: and whoever makes it do so has tried."""

    async def fail(_kuid: str) -> None:
        raise ValueError("4321")

    house.during("lock", "reauthenticate", fail)
    for _ in range(FREE):
        assert (await wrong(house)).status == 500
    assert await wrong(house) is errors.TooManyLogins


async def test_without_limits_as_in_dev_the_proof_is_still_asked_for(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PWD-08"""
    monkeypatch.setattr(house.services.login_limits, "allowances", None)
    for _ in range(2 * FREE):
        assert (await wrong(house)).id == "plugin.lock.wrong_proof"
    await prove(house, "1234")


async def test_the_audit_log_tells_who_was_refused_and_nothing_that_they_sent(
    house: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """LEAK-07"""
    with caplog.at_level("INFO"):
        for number in range(FREE + 1):
            await wrong(house, f"guess-{number}")
        await house.services.refusals.flush()
    rows = [row for row in await house.rows(audit) if row.event == "ReauthenticationRefused"]
    assert [(row.about, row.strategy, row.reason) for row in rows] == [
        ("ann", "lock", "plugin.lock.wrong_proof"),
        ("ann", "lock", "too many failures"),
        ("ann", "lock", "plugin.lock.wrong_proof"),
    ]
    assert rows[2].details == {"count": FREE - 1}
    assert "guess-" not in caplog.text + str(rows)


async def test_a_missing_proof_is_a_mistake_that_its_action_tells_of(house: Any) -> None:
    with pytest.raises(errors.BadRequestError) as refused:
        await prove(house)
    assert not refused.value.noted
    assert not [row for row in await house.rows(audit) if row.event == "ReauthenticationRefused"]


async def test_a_proof_means_nothing_after_a_change_of_its_user(house: Any) -> None:
    """TOK-13: who knew the old code does not undo the new one with a request that was under way."""
    credentials = house.services.credentials
    since = await prove(house, "1234")
    await credentials.update("lock", "ann", {"code": "5678"}, CALL)
    for work in (
        credentials.update("lock", "ann", {"code": "6666"}, CALL, since=since),
        credentials.delete("lock", "ann", since=since),
    ):
        with pytest.raises(errors.ActionLocked):
            await work
    await login(house, "5678")
    since = await prove(house, "5678")
    await credentials.update("lock", "ann", {"code": "6666"}, CALL, since=since)
    await login(house, "6666")
