"""What a plugin counts as an attempt, and what it may know of others' say in its logins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import update

from ostiary import Call, audit, errors
from ostiary.actions import GET, Controller
from ostiary.services.subjects import Allowances
from ostiary.storage.tables import users
from ostiary.testing.packages import Package, installed

pytestmark = pytest.mark.anyio

CALL = Call(address="192.0.2.7")
FREE = 3
WRAPPER = (
    "from ostiary import hookimpl\n"
    "@hookimpl(wrapper=True)\n"
    "def ostiary_{0}_credentials():\n"
    "    return (yield)\n"
)


async def wrong() -> str:
    raise errors.LoginRefused("Wrong.")


async def right() -> str:
    return "proved"


@pytest.fixture
async def mine(house: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The directory of the plugin ``badge``, where few failures are free."""
    allowances = Allowances(per_account=FREE, per_address=2 * FREE, window=900_000)
    monkeypatch.setattr(house.services.login_limits, "allowances", allowances)
    return house.services.directories.of("badge")


async def fail(
    directory: Any, account: str | None, prove: Callable[[], Awaitable[str]] = wrong
) -> None:
    with pytest.raises(errors.LoginRefused):
        await directory.attempt("badge", account, CALL, prove)


async def test_what_is_proved_is_returned_and_counts_nothing(mine: Any) -> None:
    for _ in range(3 * FREE):
        assert await mine.attempt("badge", "ann", CALL, right) == "proved"


async def test_what_fails_counts_for_the_account(mine: Any) -> None:
    """AUTH-20, AUTH-26"""
    for _ in range(FREE):
        await fail(mine, "ann")
    asked = []

    async def prove() -> None:
        asked.append(1)

    with pytest.raises(errors.TooManyLogins) as held:
        await mine.attempt("badge", "ann", CALL, prove)
    assert held.value.retry_after
    assert not asked
    assert await mine.attempt("badge", "bob", CALL, right) == "proved"


async def test_what_names_no_account_counts_for_the_address(mine: Any) -> None:
    """AUTH-24"""
    for _ in range(2 * FREE):
        await fail(mine, None)
    with pytest.raises(errors.TooManyLogins):
        await mine.attempt("badge", None, CALL, right)
    elsewhere = Call(address="198.51.100.1")
    assert await mine.attempt("badge", None, elsewhere, right) == "proved"


async def test_a_proof_that_breaks_down_counts_for_the_account(mine: Any) -> None:
    """AUTH-16"""

    async def broken() -> None:
        raise KeyError("a secret")

    for _ in range(FREE):
        with pytest.raises(KeyError):
            await mine.attempt("badge", "ann", CALL, broken)
    with pytest.raises(errors.TooManyLogins):
        await mine.attempt("badge", "ann", CALL, right)


async def test_nobody_speaks_for_the_strategy_of_another(mine: Any) -> None:
    """ISO-11"""
    with pytest.raises(errors.UnknownStrategy):
        await mine.attempt("card", "ann", CALL, right)
    with pytest.raises(errors.UnknownStrategy):
        mine.others_take_part("card")


@pytest.mark.parametrize("verb, takes_part", [("verify", True), ("validate", False)])
async def test_who_wraps_logins_takes_part_in_them(
    open_house: Any, tmp_path: Any, verb: str, takes_part: bool
) -> None:
    package = Package(name=f"wraps{verb}", source=WRAPPER.format(verb))
    with installed(tmp_path / "packages", package):
        house = await open_house("badge", "card", package.name)
        assert house.services.directories.of("badge").others_take_part("badge") is takes_part


async def test_where_nobody_does_nobody_does(house: Any, mine: Any) -> None:
    assert not mine.others_take_part("badge")


async def test_a_plugin_knows_whether_a_user_may_sign_in(house: Any, mine: Any) -> None:
    await house.create("ann", badge="1")
    await house.services.changes.catch_up()
    assert (await mine.find("ann")).enabled
    async with house.store.begin() as db:
        await house.services.changes.record(db, "user", "ann")
        await db.execute(update(users).where(users.c.kuid == "ann").values(status="disabled"))
    await house.services.changes.catch_up()
    assert not (await mine.find("ann")).enabled


def test_an_action_that_hands_out_secrets_is_noted_whatever_its_name() -> None:
    """LEAK-07."""
    keys = Controller("keys")

    @keys.action(GET("/keys"), noted=True)
    async def get_key() -> str:
        """Hand out a key."""
        return "key"

    @keys.action(GET("/keys/size"))
    async def get_size() -> int:
        """Tell a size."""
        return 1

    assert [audit.is_noted(action) for action in keys.actions] == [True, False]
