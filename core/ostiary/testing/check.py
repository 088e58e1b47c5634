"""What ``ostiary plugins check NAME`` does: the contract of an installed plugin, without pytest.

Credentials come from the command line, else from the ``StrategyContract`` that
the plugin names in the entry-point group ``ostiary.contract``, else they are made
from the fields that its strategies declare. Nothing of the operator's is
touched but the settings of the plugin, which are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any

from ostiary.testing.asking import Result, ask_all
from ostiary.testing.contract import StrategyContract
from ostiary.testing.places import Place, PostgreSQLPlace, SQLitePlace
from ostiary.testing.subject import Subject

GROUP = "ostiary.contract"
"""The group of entry points in which a plugin names its ``StrategyContract``."""


class NoContract(Exception):
    """What stands for the contract of a plugin cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a plugin keeps its promises on one database.

    :ivar source: where the credentials came from.
    """

    plugin: str
    database: str
    source: str
    results: tuple[Result, ...]

    @property
    def kept(self) -> bool:
        """Whether no promise is broken."""
        return all(result.state != "broken" for result in self.results)

    def lines(self) -> list[str]:
        """Return what an operator reads: a line for each promise."""
        head = f"{self.plugin} on {self.database}, with {self.source}"
        count = {
            state: sum(one.state == state for one in self.results)
            for state in ("kept", "broken", "not asked")
        }
        tail = ", ".join(f"{number} {state}" for state, number in count.items())
        return [head, *(_line(result) for result in self.results), tail]


async def run(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    good: Mapping[str, Any] | None = None,
    other: Mapping[str, Any] | None = None,
    wrong: Mapping[str, Any] | None = None,
    postgresql: bool = False,
) -> list[Report]:
    """Try every promise of an installed plugin on stores that are thrown away.

    :param settings: the table ``[plugins.<name>]`` of the configuration.
    :param postgresql: also on a PostgreSQL server started for it.
    :raises NoContract: see the class.
    """
    subject, source = _subject(name)
    given: dict[str, Any] = {"good": good, "other": other, "wrong": wrong}
    given = {key: value for key, value in given.items() if value is not None}
    if given:
        subject, source = replace(subject, **given), "the credentials of the command line"
    subject = replace(subject, settings={**subject.settings, **(settings or {})})
    with ExitStack() as stack:
        places: list[Place] = [stack.enter_context(SQLitePlace())]
        if postgresql:
            places.append(stack.enter_context(PostgreSQLPlace()))
        return [await _report(subject, place, source) for place in places]


async def _report(subject: Subject, place: Place, source: str) -> Report:
    results = [result async for result in ask_all(subject, place)]
    return Report(subject.plugin, place.name, source, tuple(results))


def _subject(name: str) -> tuple[Subject, str]:
    """Return what the author of a plugin gives to try it with."""
    for entry in entry_points(group=GROUP, name=name):
        contract = entry.load()
        if not (isinstance(contract, type) and issubclass(contract, StrategyContract)):
            raise NoContract(f"{entry.value} ({GROUP}) is no StrategyContract")
        return replace(contract.subject(), plugin=name), f"the credentials of {entry.value}"
    return Subject(plugin=name), "credentials made from its fields"


def _line(result: Result) -> str:
    why = f": {result.why}" if result.why else ""
    return f"{result.state:9}  {result.strategy}  {result.promise.name}: {result.promise.sentence}{why}"
