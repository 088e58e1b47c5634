"""The contract that every strategy keeps, as tests for the author of a plugin.

Five lines are enough::

    class TestPin(StrategyContract):
        plugin = "pin"
        good = {"badge": "0042", "pin": "4321"}
        other = {"badge": "0043", "pin": "9876"}
        wrong = {"pin": "1234"}
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar

from ostiary.testing.asking import ask, check_names
from ostiary.testing.places import Place, PostgreSQLPlace, SQLitePlace
from ostiary.testing.promise import Promise
from ostiary.testing.promises import PROMISES
from ostiary.testing.subject import Subject

REQUIRE_ALL = "OSTIARY_REQUIRE_ALL"
"""The variable that forbids to skip what a machine cannot try, when it is ``1``."""

PLACES: dict[str, Callable[[], Any]] = {"sqlite": SQLitePlace, "postgresql": PostgreSQLPlace}


class StrategyContract:
    """Tests every promise of hooks and stores; a subclass names the plugin and its credentials.

    The plugin is loaded through its entry point: install it first, ``pip install -e .`` will do.

    :cvar plugin: the name of the entry point.
    :cvar strategy: one of its strategies; None tests each.
    :cvar settings: the table ``[plugins.<name>]``.
    :cvar good: right credentials of a user; or a function that gives those of the n-th.
    :cvar other: right credentials of a second user, if ``good`` is no function.
    :cvar wrong: what differs from ``good`` in a login with a wrong secret.
    :cvar proof: by what ``good`` proves once more who they are, where the strategy asks for it:
        members of a body, such as ``{"currentPassword": …}``.
    :cvar updates: what ``good`` is changed to; by default ``other``.
    :cvar secrets: secret fields that the strategy does not declare as such.
    :cvar answer: what goes where a login is sent (``Redirect``) and returns what comes back, a
        method: given the address, and the credentials of who signs in.
    :cvar not_asked: promises that mean nothing for this strategy, each with the reason.
    :cvar databases: on which the promises are tried.
    """

    plugin: ClassVar[str]
    strategy: ClassVar[str | None] = None
    settings: ClassVar[Mapping[str, Any]] = {}
    good: Any = None
    other: ClassVar[Mapping[str, Any] | None] = None
    wrong: Any = None
    proof: ClassVar[Mapping[str, Any] | None] = None
    updates: ClassVar[Mapping[str, Any] | None] = None
    secrets: ClassVar[tuple[str, ...]] = ()
    not_asked: ClassVar[Mapping[str, str]] = {}
    databases: ClassVar[tuple[str, ...]] = ("sqlite", "postgresql")
    fill: Any = None
    answer: Any = None

    def __init_subclass__(cls) -> None:
        check_names(cls.not_asked)

    @classmethod
    def subject(cls) -> Subject:
        """Return what is put to the test."""
        author = cls()
        return Subject(
            plugin=cls.plugin,
            strategy=cls.strategy,
            settings=cls.settings,
            good=author.good,
            other=cls.other,
            wrong=author.wrong,
            proof=cls.proof,
            updates=cls.updates,
            secrets=cls.secrets,
            not_asked=cls.not_asked,
            fill=author.fill if inspect.ismethod(author.fill) else None,
            answer=author.answer if inspect.ismethod(author.answer) else None,
        )

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make a test of each promise on each database."""
        if metafunc.function.__name__ == "test_keeps":
            metafunc.parametrize("database", self.databases)
            metafunc.parametrize("promise", PROMISES, ids=lambda promise: promise.name)

    def test_keeps(self, promise: Promise, database: str) -> None:
        """Keep a promise, which the name of the test tells."""
        import pytest

        results = asyncio.run(ask(self.subject(), _place(database), promise))
        broken = [f"{one.strategy}: {one.why}" for one in results if one.state == "broken"]
        if broken:
            pytest.fail(f"broken: {promise.sentence}\n" + "\n".join(broken), pytrace=False)
        if all(one.state == "not asked" for one in results):
            pytest.skip(f"not asked: {promise.sentence}: {results[0].why}")


def _place(database: str) -> Place:
    """Return where stores are made, or skip."""
    import pytest

    place, missing = _entered(database)
    if place is not None:
        return place
    if os.environ.get(REQUIRE_ALL) == "1":
        pytest.fail(f"{missing} ({REQUIRE_ALL}=1 forbids to skip)", pytrace=False)
    return pytest.skip(missing)


@cache
def _entered(database: str) -> tuple[Place | None, str]:
    """Start what a database needs, once in a process; tell what is missing."""
    place = PLACES[database]()
    try:
        place.__enter__()
    except ModuleNotFoundError as missing:
        if missing.name not in ("asyncpg", "greenlet"):
            raise
        return None, f"{missing.name} is missing; to have it: pip install 'ostiary[postgresql]'"
    except Exception as error:
        # Only now may its module be imported: the driver is there.
        from ostiary.testing.postgresql import PostgreSQLMissing

        if not isinstance(error, PostgreSQLMissing):
            raise
        return None, str(error)
    atexit.register(place.__exit__, None, None, None)
    return place, ""
