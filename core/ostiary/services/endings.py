"""What of a login is ended while it has no token yet.

A provider that says who has left may say so between the proof and the token: within a verdict, or
while a page holds a one-time code (OpenID Connect Back-Channel Logout 1.0, 2.7). There is nothing
to delete then; the log of changes remembers that it was to end, for longer than a login takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec


def told(kuid: str | None, strategies: Iterable[str], foreign: str | None) -> list[str]:
    """Return by what the log knows that sessions were to end, of a user or of that name."""
    return [_mark(strategy, kuid, foreign) for strategy in strategies]


def heard(kuid: str, strategy: str, foreign: str | None) -> list[str]:
    """Return by what the log may know that a session was to end which is about to begin."""
    marks = [_mark(strategy, kuid, None)]
    if foreign is not None:
        marks += [_mark(strategy, None, foreign), _mark(strategy, kuid, foreign)]
    return marks


def _mark(strategy: str, kuid: str | None, foreign: str | None) -> str:
    # What a provider calls a session is nothing to be read in the log.
    return sha256(msgspec.json.encode((strategy, kuid, foreign))).hexdigest()
