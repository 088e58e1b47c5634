"""The rules for new passwords: in their order, for everybody, and for new ones only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.hash_pool import HashPool
from ostiary_local import blocklists, list_building
from ostiary_local.blocklists import Damaged
from ostiary_local.errors import (
    CommonPassword,
    ExpectedPassword,
    GuessablePassword,
    InvalidPassword,
    PasswordTooLong,
    PasswordTooShort,
)

from .conftest import CHEAPEST

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio
GOOD = "correct horse battery staple"


@pytest.fixture
def closed(local: Local) -> Local:
    """The plugin as it is outside ``--dev``, with nothing configured."""
    return local.configured(dev=False)


@pytest.fixture
def leaked(tmp_path: Path) -> Path:
    file = tmp_path / "leaked.blocklist"
    list_building.build([blocklists.digest("mellow tulip orbit canyon")], file)
    return file


async def test_a_good_password_passes_all_rules(closed: Local) -> None:
    await closed.create("ann", username="ann", password=GOOD)
    assert await closed.login("ann", GOOD) == "ann"


@pytest.mark.parametrize(
    "password, refusal",
    [
        (7, InvalidPassword),
        ("", InvalidPassword),
        ("passwordpasswo", PasswordTooShort),
        ("x" * 65, PasswordTooLong),
        ("Ann.Blankenship", ExpectedPassword),
        ("the tannenbaum co", ExpectedPassword),
        ("passwordpassword", CommonPassword),
        ("Mellow Tulip Orbit Canyon", CommonPassword),
        ("aaaaaaaaaaaaaaaaaaaaaaab", GuessablePassword),
    ],
)
async def test_the_first_rule_that_is_broken_is_told(
    local: Local, leaked: Path, password: Any, refusal: type[Exception]
) -> None:
    """PWD-05, PWD-06: text, length, names, lists, strength."""
    strict = local.configured(
        dev=False, maxLength=64, blocklists=[str(leaked)], forbiddenWords=["The Tannenbaum Co"]
    )
    with pytest.raises(refusal):
        await strict.create("ann", username="ann.blankenship", password=password)
    await strict.create("ann", username="ann.blankenship", password=GOOD)
    with pytest.raises(refusal):
        await strict.update("ann", password=password)
    assert await strict.login("ann.blankenship", GOOD) == "ann"


@pytest.mark.parametrize("password", ["x", "password", "ann", "passwordpassword", "aaaaaaaa"])
async def test_in_dev_there_is_no_rule(local: Local, password: str) -> None:
    """PWD-06: the short examples of the guides work."""
    await local.create("ann", username="ann", password=password)
    assert await local.login("ann", password) == "ann"


@pytest.mark.parametrize(
    "settings, password, refusal",
    [
        ({"minLength": 8}, "x" * 7, PasswordTooShort),
        ({"maxLength": 64}, "x" * 65, PasswordTooLong),
        ({"minStrength": 1}, "aaaaaaaaaaaaaaaaa", GuessablePassword),
        ({"forbiddenWords": ["acme"]}, "ACME", ExpectedPassword),
        ({"forbiddenWords": ["acme"]}, "ann", ExpectedPassword),
    ],
)
async def test_what_is_configured_holds_in_dev_too(
    local: Local, settings: dict[str, Any], password: str, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await local.configured(**settings).create("ann", username="ann", password=password)


async def test_a_rule_can_be_switched_off(local: Local) -> None:
    lenient = local.configured(dev=False, minLength=8, minStrength=0, blocklists=[])
    await lenient.create("ann", username="ann", password="password")
    assert await lenient.login("ann", "password") == "ann"


async def test_the_advice_travels_in_the_error(closed: Local) -> None:
    with pytest.raises(GuessablePassword) as refusal:
        await closed.create("ann", username="ann", password="1212121212121212121212")
    told = refusal.value.to_json()
    assert told["status"] == 400
    assert told["score"] < 3
    assert "What is repeated adds next to nothing." in told["advice"]
    assert "What is repeated adds next to nothing." in told["message"]
    assert "1212" not in str(told)


async def test_the_score_that_is_wanted_is_the_least(local: Local) -> None:
    password = "correct horse"
    for least in (1, 2, 3):
        await local.configured(minStrength=least).validate("k", fields("bob", password))
    with pytest.raises(GuessablePassword) as refusal:
        await local.configured(minStrength=4).validate("k", fields("bob", password))
    assert refusal.value.extra["score"] == 3
    assert refusal.value.extra["advice"]


async def test_names_that_the_user_has_already_count(closed: Local) -> None:
    await closed.create("ann", username="theodora.blankenship", password=GOOD)
    for password in ("Theodora.Blankenship", "blankenship-theodora-1987"):
        with pytest.raises(ExpectedPassword):
            await closed.update("ann", password=password)
    # For somebody else it is as good as another.
    await closed.create("bob", username="bob", password="blankenship-theodora-1987")


async def test_who_sets_a_password_makes_no_difference(closed: Local) -> None:
    """PWD-06: an administrator's choice for others obeys the same rules."""
    with pytest.raises(CommonPassword):
        await closed.create("ann", by="root", username="ann", password="passwordpassword")
    await closed.create("ann", by="root", username="ann", password=GOOD)
    for by in ("root", "ann", "-1"):
        with pytest.raises(PasswordTooShort):
            await closed.update("ann", by=by, password="short")


async def test_a_password_that_is_set_already_works_whatever_the_rules_are(local: Local) -> None:
    """PWD-13: nobody is made to change."""
    await local.create("ann", username="ann", password="x")
    strict = local.configured(dev=False, minStrength=4)
    assert await strict.login("ann", "x") == "ann"
    await strict.update("ann", username="anna")
    assert await strict.login("anna", "x") == "ann"


async def test_a_list_that_is_gone_lets_nothing_pass(local: Local, leaked: Path) -> None:
    strict = local.configured(dev=False, blocklists=[str(leaked)])
    data = leaked.read_bytes()
    leaked.unlink()
    with pytest.raises(FileNotFoundError):
        await strict.create("ann", username="ann", password=GOOD)
    leaked.write_bytes(data[:-1])
    with pytest.raises(Damaged):
        await strict.create("ann", username="ann", password=GOOD)
    leaked.write_bytes(data)
    await strict.create("ann", username="ann", password=GOOD)


@pytest.fixture
def one_thread() -> Iterator[HashPool]:
    pool = HashPool(1, 10)
    yield pool
    pool.close()


async def test_the_event_loop_does_none_of_the_work(local: Local, one_thread: HashPool) -> None:
    """The rules wait for the only thread that hashes, and everything else goes on."""
    busy = (await local.reopened(one_thread, CHEAPEST)).configured(dev=False)
    gate = threading.Event()
    blocker = asyncio.ensure_future(one_thread.run(gate.wait))
    vetted = asyncio.ensure_future(busy.validate("ann", fields("ann", GOOD)))
    await asyncio.sleep(0.2)
    assert not vetted.done()
    # PWD-02: what is too long is refused without any work.
    with pytest.raises(InvalidPassword, match="4096 bytes"):
        await busy.validate("bob", fields("bob", "x" * 1_000_000))
    gate.set()
    await vetted
    assert await blocker


def fields(username: str, password: str) -> dict[str, str]:
    return {"username": username, "password": password}
