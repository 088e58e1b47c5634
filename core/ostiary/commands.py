"""The commands that a plugin adds for operators."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ostiary.directory import Directory
from ostiary.errors import OstiaryError
from ostiary.storage import OwnStore
from ostiary.strategies import Strategy, User


class CommandError(Exception):
    """A command of a plugin has failed; its text tells the operator why, in one line."""


@dataclass(frozen=True, slots=True)
class Recruit:
    """Somebody who is to become a user, together with their credentials.

    :param kuid: None has one made.
    :param profile_ids: none gives those of who comes for the first time
        (``security.restrictedProfileIds``).
    """

    kuid: str | None = None
    profile_ids: tuple[str, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)


Enrolled = Sequence[str | OstiaryError]
"""For each recruit, in their order: the kuid, or why there is none."""

Write = Callable[[Enrolled], Awaitable[None]]


class Workplace(Protocol):
    """What a command works with: the same as the hooks of its plugin, and users in batches."""

    @property
    def strategies(self) -> Mapping[str, Strategy]:
        """Those of the plugin, by name."""

    @property
    def store(self) -> OwnStore:
        """The plugin's own; only one that has declared tables has any."""

    @property
    def directory(self) -> Directory:
        """The same as hooks get."""

    def tell(self, line: str) -> None:
        """Print a line to standard output; control characters in it are written as escapes."""

    async def users(self, kuids: Iterable[str]) -> Mapping[str, User]:
        """Return the users who exist among some kuids."""

    async def examine(
        self, strategy: str, recruits: Sequence[Recruit], *, join: bool = False
    ) -> Enrolled:
        """Tell what ``enrol`` would do as things are, and write nothing.

        For whom a kuid would be made, the text is empty.
        """

    async def enrol(
        self, strategy: str, recruits: Sequence[Recruit], write: Write, *, join: bool = False
    ) -> Enrolled:
        """Make users, each with credentials of a strategy of this plugin, all at once.

        Either all that are not refused are there afterwards, or none: what is left of a batch
        that failed, or of a process that died, the server erases by the delete hook.

        :param recruits: at most 1000; some hundreds are fastest.
        :param write: writes the credentials into the plugin's store, in one transaction, before
            the users are there. It is given what will be returned; refused ones are left out.
            What it raises leaves nothing behind.
        :param join: give credentials to a user who has the kuid already and none of the
            strategy; profiles and content stay theirs.
        :raises errors.ActionLocked: somebody else has deleted one of the users meanwhile.
        """


Stores = Literal["there", "made", "unused"]
"""What a command does where no server has ever kept anything: refuse, make a new server, or work
without stores."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command, run as ``ostiary <plugin> <name>``.

    :param help: a sentence for ``--help``.
    :param run: does it. It is given what was read of the command line, and the workplace; says
        what it has to say with ``tell``, and raises ``CommandError`` where it fails.
    :param arguments: adds what the command line may hold, besides ``--config``, ``--data`` and
        ``--database``, which all commands have.
    :param stores: tells, from what was read of the command line, which stores it needs. By
        default they must be ``there``: a mistyped ``--data`` is refused. With ``made`` a new
        server is made where there is none, and the operator is told. With ``unused`` no store is
        opened at all, and the workplace can only ``tell``.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace, Workplace], Awaitable[None]]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _: None
    stores: Callable[[argparse.Namespace], Stores] = lambda _: "there"
