"""Strategies that a plugin keeps as data: when it is asked, who waits, and what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ostiary import Call, Strategy, __version__, errors
from ostiary.plugin_loading import load_plugins
from ostiary.plugins import Strategies
from ostiary.testing.packages import badge, installed

pytestmark = pytest.mark.anyio

STORED = """
answers = []

@hookimpl
async def ostiary_stored_strategies(settings, store):
    return await answers[-1](settings, store)
"""


class House:
    """The strategies of the plugins ``badge`` and ``card``, and what each answers when asked."""

    def __init__(self, plugins: Any) -> None:
        self.modules = {plugin.name: plugin.module for plugin in plugins.loaded}
        stores: Any = {name: f"store of {name}" for name in self.modules}
        self.strategies = Strategies(plugins, stores)
        self.asked: list[tuple[str, Any, Any]] = []
        for name in self.modules:
            self.answer(name, [])

    def answer(self, plugin: str, answer: Any, gate: asyncio.Event | None = None) -> None:
        async def told(settings: Any, store: Any) -> Any:
            self.asked.append((plugin, settings, store))
            if gate is not None:
                await gate.wait()
            if isinstance(answer, BaseException):
                raise answer
            return answer

        vars(self.modules[plugin])["answers"].append(told)

    def change(self, plugin: str) -> None:
        self.strategies.stored.heard("strategies", plugin)

    async def names(self) -> list[str]:
        await self.strategies.settle()
        return list(self.strategies)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    with ExitStack() as stack:
        packages = [badge(name, extra=STORED) for name in ("badge", "card")]
        stack.enter_context(installed(tmp_path, *packages))
        settings = {"badge": {"door": "north"}}
        made = House(load_plugins(settings, ["badge", "card"], dev=False, version=__version__))
        await made.strategies.settle()
        yield made


def some(*names: str) -> Sequence[Strategy]:
    return [Strategy(name=name, fields=("badge",)) for name in names]


async def test_a_plugin_is_asked_with_its_settings_and_its_store(house: House) -> None:
    """ISO-15"""
    assert house.asked == [
        ("badge", {"door": "north", "dev": False}, "store of badge"),
        ("card", {"dev": False}, "store of card"),
    ]


async def test_only_who_has_changed_is_asked_again_and_once(house: House) -> None:
    house.asked.clear()
    house.answer("card", some("north"))
    house.change("card")
    assert (
        await asyncio.gather(*(house.names() for _ in range(9))) == [["badge", "card", "north"]] * 9
    )
    assert [name for name, _, _ in house.asked] == ["card"]


async def test_who_changes_while_asked_is_asked_once_more(house: House) -> None:
    gate = asyncio.Event()
    house.answer("card", some("old"), gate)
    house.change("card")
    waiting = asyncio.create_task(house.names())
    await asyncio.sleep(0)
    house.answer("card", some("new"))
    house.change("card")
    gate.set()
    assert await waiting == ["badge", "card", "new"]


async def test_a_strategy_of_the_same_name_takes_the_place_of_a_declared_one(house: House) -> None:
    house.answer("card", [Strategy(name="card", fields=("badge",), refusal="Not today.")])
    house.change("card")
    assert await house.names() == ["badge", "card"]
    assert house.strategies.find("card").refusal == "Not today."
    house.answer("card", [])
    house.change("card")
    await house.names()
    assert house.strategies.find("card").refusal == Strategy(name="x").refusal


@pytest.mark.parametrize(
    "answer, fault",
    [
        (some("Badge!"), errors.StrategyNotRegistered),
        (some("north", "north"), errors.StrategyNotRegistered),
        (["north"], errors.StrategyNotRegistered),
        (some("north", "badge"), errors.StrategyOfAnother),
        (some("north", "east"), errors.StrategyOfAnother),
        (5, errors.PluginUnexpectedError),
        (None, errors.PluginUnexpectedError),
        (KeyError("a secret"), errors.PluginUnexpectedError),
        (SystemExit(3), errors.PluginUnexpectedError),
        (errors.StoreUnavailable(), errors.PluginUnexpectedError),
    ],
)
async def test_what_is_wrong_leaves_what_was_there_and_is_logged(
    house: House, caplog: pytest.LogCaptureFixture, answer: Any, fault: type[errors.OstiaryError]
) -> None:
    """ISO-10, LEAK-05"""
    house.answer("badge", some("east"))
    house.change("badge")
    house.answer("card", some("south"))
    house.change("card")
    before = await house.names()
    house.answer("card", answer)
    house.change("card")
    assert await house.names() == before == ["badge", "east", "card", "south"]
    assert type(house.strategies.stored.fault("card")) is fault
    assert "plugin card" in caplog.text
    assert "a secret" not in caplog.text
    house.answer("card", some("west"))
    house.change("card")
    assert await house.names() == ["badge", "east", "card", "west"]
    assert house.strategies.stored.fault("card") is None


async def test_who_hangs_is_left_alone_and_keeps_what_was_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ISO-10"""
    monkeypatch.setattr(house.strategies.calls, "_limit", 0.01)
    house.answer("card", some("north"), asyncio.Event())
    house.change("card")
    assert await house.names() == ["badge", "card"]
    assert type(house.strategies.stored.fault("card")) is errors.PluginUnexpectedError


async def test_the_strategies_of_others_need_not_wait_for_one_that_hangs(house: House) -> None:
    """ISO-10"""
    house.answer("card", some("north"), asyncio.Event())
    house.change("card")
    assert await house.strategies.get_by_id("badge", "1") == {}
    with pytest.raises(errors.UnknownStrategy):
        await asyncio.wait_for(house.strategies.renew("badge", "ann", Call()), 30) or (
            house.strategies.find("north")
        )
    waiting = asyncio.create_task(house.strategies.settle("card"))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    waiting.cancel()


async def test_who_failed_is_asked_again_after_a_while_and_who_was_wrong_is_not(
    house: House,
) -> None:
    house.answer("badge", some("Badge!"))
    house.answer("card", OSError())
    for name in ("badge", "card"):
        house.change(name)
    await house.names()
    house.asked.clear()
    house.answer("card", some("north"))
    house.strategies.stored.retry()
    assert await house.names() == ["badge", "card", "north"]
    assert [name for name, _, _ in house.asked] == ["card"]


async def test_who_gave_up_waiting_leaves_the_question_to_the_next(house: House) -> None:
    house.answer("card", some("north"), asyncio.Event())
    house.change("card")
    waiting = asyncio.create_task(house.names())
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    house.answer("card", some("south"))
    assert await house.names() == ["badge", "card", "south"]


async def test_a_name_that_is_not_the_plugins_to_claim_is_refused(house: House) -> None:
    """ISO-11"""

    async def claim(plugin: str, names: Sequence[str]) -> None:
        if plugin == "card" and "north" in names:
            raise errors.StrategyOfAnother("north")

    house.strategies.stored.claim_with(claim)
    for plugin, wanted in {"card": ["badge", "card"], "badge": ["badge", "north", "card"]}.items():
        house.answer(plugin, some("north"))
        house.change(plugin)
        assert await house.names() == wanted


async def test_whoever_shows_strategies_is_told_that_others_are_in_force(house: House) -> None:
    told: list[list[str]] = []
    house.strategies.listen(lambda: told.append(list(house.strategies)))
    house.answer("card", some("north"))
    house.change("card")
    assert told == []
    await house.names()
    assert told == [["badge", "card", "north"]]


async def test_without_an_id_every_plugin_is_asked_again(house: House) -> None:
    house.asked.clear()
    house.change("")
    await house.names()
    assert [name for name, _, _ in house.asked] == ["badge", "card"]
    assert house.strategies.of("card").keys() == {"card"}
    assert house.strategies.of("nobody") == {}
