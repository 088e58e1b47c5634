"""Who made a document and when: the ``_kuzzle_info`` of users, profiles and roles."""

from __future__ import annotations

from typing import Any, Protocol

from ostiary import errors


class Recorded(Protocol):
    """What has an author, and perhaps an updater."""

    @property
    def author(self) -> str | None:
        """Who made it; None is the system."""

    @property
    def created_at(self) -> int | None:
        """When it was made, in ms."""

    @property
    def updater(self) -> str | None:
        """Who changed it last."""

    @property
    def updated_at(self) -> int | None:
        """When, in ms."""


def history(document: Recorded) -> dict[str, Any]:
    """Return it as clients see it."""
    return {
        "author": document.author,
        "createdAt": document.created_at,
        "updatedAt": document.updated_at,
        "updater": document.updater,
    }


def changed_at(old: Recorded | None, now: int) -> int:
    """Return when a document is changed that is changed now, in ms.

    It is later than its last change even where the clock has not moved on, or was put back: who
    has read one state of a document tells it from all that come after.

    :param old: the document as it was; None if there was none.
    """
    return now if old is None else max(now, _last_change(old) + 1)


def check_unchanged(id: str, document: Recorded | None, since: int | None) -> None:
    """Refuse to write over what others have changed, or removed, since somebody read it.

    :param since: when it was changed last, as they have read it, in ms; None does not ask.
    :raises errors.ChangedMeanwhile: it was changed at another time.
    """
    if since is None:
        return
    if document is None or since != _last_change(document):
        raise errors.ChangedMeanwhile(id)


def _last_change(document: Recorded) -> int:
    return document.updated_at or document.created_at or 0
