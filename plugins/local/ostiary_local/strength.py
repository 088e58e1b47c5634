"""How soon a password would be guessed, judged by zxcvbn, and what to do better.

zxcvbn is the Rust one, ``zxcvbn-rs-py``: a tenth of the time, a third of the memory and no
state that threads share. It is loaded at the first use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from ostiary_local import advice, expected

ENOUGH = 3
"""The least score unless configured: 10^8 guesses, which no limit of logins lets through."""

STRONGEST = 4
"""The best score."""

SIGHT = 50
"""Characters that are judged: those at the beginning."""

MOST_READINGS = 8
"""Ways to read a password with symbols as letters that are tried."""

_SYMBOLS = {
    "a": "4@",
    "c": "([{<",
    "g": "69",
    "i": "1!|",
    "l": "1|7",
    "s": "$5",
    "t": "+7",
}
"""The letters that zxcvbn reads in several symbols; it tries every combination of them."""

_OUT_OF_SIGHT = 0xE000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What zxcvbn says.

    :ivar score: from 0, guessed at once, to 4; each step is some hundred times more guesses.
    :ivar advice: sentences for who chose the password.
    """

    score: int
    advice: tuple[str, ...]


def judge(password: str, known: Iterable[str]) -> Judgement:
    """Judge a password; takes some milliseconds of CPU, whatever the password is.

    :param password: as it is hashed; no lone surrogates.
    :param known: what guessers try first, such as the user's names; their parts count too.
    """
    from zxcvbn_rs_py import zxcvbn

    found = zxcvbn(_in_sight(password), [one.lower() for one in expected.pieces(known)])
    feedback = found.feedback
    if feedback is None:
        return Judgement(int(found.score), advice.GENERAL)
    hints = [feedback.warning, *feedback.suggestions]
    named = [repr(hint).rpartition(".")[2] for hint in hints if hint is not None]
    return Judgement(int(found.score), advice.sentences(named))


def _in_sight(password: str) -> str:
    """Return what zxcvbn is to see: its time grows with the square of the length, and with
    every way to read symbols as letters, up to seconds (dropbox/zxcvbn#316).

    Symbols that make too many ways are moved out of its sight; each stays a character, and
    different from the others.
    """
    seen = password[:SIGHT]
    surplus: dict[int, int] = {}
    while _readings(seen) > MOST_READINGS:
        crowd = max(_SYMBOLS.values(), key=lambda symbols: sum(one in seen for one in symbols))
        symbol = next(one for one in reversed(crowd) if one in seen)
        surplus[ord(symbol)] = _OUT_OF_SIGHT + ord(symbol)
        seen = seen.translate(surplus)
    return seen


def _readings(text: str) -> int:
    return prod(max(1, sum(symbol in text for symbol in symbols)) for symbols in _SYMBOLS.values())
