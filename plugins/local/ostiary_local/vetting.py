"""Which passwords may be set: the rules for new ones, in their order.

A text, its length, what guessers try first, lists of leaked passwords, strength. Passwords that
are set already are never held to them, except at their next change.
"""

from __future__ import annotations

from collections.abc import Collection

from ostiary import Store
from ostiary_local import errors, expected, passwords, strength
from ostiary_local.settings import LocalSettings


async def vet(
    store: Store, settings: LocalSettings, password: object, names: Collection[str]
) -> None:
    """Refuse a new password that breaks a rule; who sets it for whom makes no difference.

    :param names: of the user, and other words that belong to the user.
    :raises errors.InvalidPassword: it is no text that may be a password.
    :raises errors.PasswordTooShort:
    :raises errors.PasswordTooLong:
    :raises errors.ExpectedPassword: it is made of the names and forbidden words.
    :raises errors.CommonPassword: it is in a list.
    :raises errors.GuessablePassword: zxcvbn guesses it too soon; ``score`` and ``advice`` tell more.
    :raises ostiary.errors.Overloaded: too many passwords are worked on.
    :raises ValueError: a list was damaged after the start, OSError if it is gone: without its
        lists no password is set.
    """
    normal = passwords.normal(passwords.fit(password, settings.shortest, settings.max_length))
    known = [*names, *settings.forbidden_words]
    if settings.expected_refused or settings.lists or settings.weakest:
        await store.hasher.run(lambda: _weigh(settings, normal, known))


def _weigh(settings: LocalSettings, password: str, known: Collection[str]) -> None:
    """Do the part that takes the processor or the disk."""
    if settings.expected_refused and expected.expected(password, known):
        raise errors.ExpectedPassword
    if any(one.holds(password) for one in settings.lists):
        raise errors.CommonPassword
    if not settings.weakest:
        return
    judgement = strength.judge(password, known)
    if judgement.score < settings.weakest:
        raise errors.GuessablePassword(
            " ".join(judgement.advice), score=judgement.score, advice=list(judgement.advice)
        )
