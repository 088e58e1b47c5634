"""Asking a plugin for its promises, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Literal

from ostiary.composition import find_plugins
from ostiary.errors import OstiaryError
from ostiary.log import origin
from ostiary.plugins import PluginError
from ostiary.settings import SettingsError
from ostiary.storage import StorageError
from ostiary.testing.places import Place
from ostiary.testing.promise import BrokenPromise, NotAsked, Promise
from ostiary.testing.promises import NAMES, PROMISES
from ostiary.testing.promises.loading import loads
from ostiary.testing.subject import Subject
from ostiary.testing.trial import Faulty, Trial

State = Literal["kept", "broken", "not asked"]


@dataclass(frozen=True, slots=True)
class Result:
    """How a promise was kept.

    :ivar why: it is broken, or was not asked; else empty.
    """

    promise: Promise
    strategy: str
    state: State
    why: str = ""


async def ask(subject: Subject, place: Place, promise: Promise) -> list[Result]:
    """Return how each strategy under test keeps a promise, on fresh stores."""
    if promise.name in subject.not_asked:
        reason = subject.not_asked[promise.name]
        return [Result(promise, subject.strategy or subject.plugin, "not asked", reason)]
    try:
        options = await place.fresh(subject.plugin, subject.settings)
        loaded = find_plugins(options.load()).loaded
    except (PluginError, SettingsError, StorageError) as error:
        return [_unloaded(subject, promise, str(error))]
    names = [s.name for one in loaded if one.name == subject.plugin for s in one.strategies]
    wanted = [name for name in names if subject.strategy in (None, name)]
    if not wanted:
        why = f"plugin {subject.plugin} declares no strategy {subject.strategy or ''}".rstrip()
        return [_unloaded(subject, promise, why)]
    results = []
    for number, name in enumerate(wanted):
        if number:
            options = await place.fresh(subject.plugin, subject.settings)
        results.append(await _try(promise, Trial(subject, name, options)))
    return results


async def ask_all(
    subject: Subject, place: Place, promises: Iterable[Promise] = PROMISES
) -> AsyncIterator[Result]:
    """Yield how every promise is kept; none but the first if the plugin does not load."""
    for promise in promises:
        results = await ask(subject, place, promise)
        for result in results:
            yield result
        if promise is loads and any(result.state == "broken" for result in results):
            return


def check_names(names: Iterable[str]) -> None:
    """Refuse to leave out a promise that there is not.

    :raises ValueError: names it, and those there are.
    """
    for name in names:
        if name not in NAMES:
            raise ValueError(f"no promise is named {name!r}; there are {', '.join(NAMES)}")


async def _try(promise: Promise, trial: Trial) -> Result:
    try:
        await promise.keep(trial)
    except NotAsked as reason:
        return Result(promise, trial.name, "not asked", str(reason))
    except (BrokenPromise, Faulty, OstiaryError) as error:
        notes = "; ".join(getattr(error, "__notes__", ()))
        why = f"{notes}: {error}" if notes else str(error)
        return Result(promise, trial.name, "broken", why)
    except Exception as error:  # noqa: BLE001 - what a plugin brings may raise anything
        why = f"{type(error).__name__}: {error} ({origin(error)})"
        return Result(promise, trial.name, "broken", why)
    return Result(promise, trial.name, "kept")


def _unloaded(subject: Subject, promise: Promise, why: str) -> Result:
    name = subject.strategy or subject.plugin
    if promise is loads:
        return Result(promise, name, "broken", why)
    return Result(promise, name, "not asked", f"the plugin does not load: {why}")
