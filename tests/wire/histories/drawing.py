"""What is drawn for histories: so few names and passwords that they meet again and again."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from .model import REMEMBERED

F = TypeVar("F", bound=Callable[..., None])

KUIDS = st.sampled_from(("k", "l", "k", "l", "m"))
NAMES = st.sampled_from(("ann", "bob", "cy"))
EMAILS = st.sampled_from((None, "a@x.example", "b@x.example"))
WORDS = ("first secret", "second secret", "third secret", "fourth secret")
PASSWORDS = st.sampled_from(WORDS)
PROOFS = st.sampled_from(("right", "right", "right", "right", None, *WORDS))
SPELLINGS = st.sampled_from((str, str.upper, str.title, "{} ".format))
OLDEST = "the oldest"
"""Stands for the oldest password of an account that may not be set again."""

CHANGED = st.sampled_from((*WORDS, OLDEST, OLDEST))
CHANGES = st.one_of(
    st.tuples(st.just("password"), CHANGED),
    st.tuples(st.just("password"), CHANGED),
    st.tuples(st.just("username"), NAMES),
    st.tuples(st.just("email"), EMAILS),
)
Given = tuple[str, str | None, str]
"""A user name, perhaps an e-mail address, and a password."""

FIELDS = st.tuples(NAMES, EMAILS, PASSWORDS)
CREATING = st.sampled_from(("createUser", "createRestrictedUser"))
NEW_KUIDS = st.sampled_from(("m", "m", "m", "l", "k"))
NEW_FIELDS = st.tuples(st.sampled_from(("cy", "cy", "cy", "bob", "ann")), EMAILS, PASSWORDS)
FORMER = st.lists(PASSWORDS, max_size=REMEMBERED)
FLAGS = st.sets(st.sampled_from(("--wrap", "--join")))
FEW, MANY = 6, 8
WHICH = st.integers(0, MANY)
HASHES = st.sampled_from(("plain", "ldap", "werkzeug"))


def hashed(how: str, password: str) -> dict[str, str]:
    """Return what a file has of a password: itself, or what another system made of it."""
    secret, salt = password.encode(), b"salt"
    if how == "plain":
        return {"password": password}
    if how == "ldap":
        digest = hashlib.sha1(secret + salt, usedforsecurity=False).digest()
        return {"hash": "{SSHA}" + base64.b64encode(digest + salt).decode()}
    return {"hash": f"pbkdf2:sha256:9$salt${hashlib.pbkdf2_hmac('sha256', secret, salt, 9).hex()}"}


def picked(good: Sequence[str], gone: Sequence[str], which: int) -> str:
    """Return mostly something good, else what was so last, or what never was."""
    if good and which < FEW:
        return good[which % len(good)]
    return (gone[-1:] or ["of nobody"])[0] if which < MANY else "of nobody"


steps: list[st.SearchStrategy[tuple[str, dict[str, Any]]]] = []


def step(**given: st.SearchStrategy[Any]) -> Callable[[F], F]:
    """Have a method be a step of histories; all of them are as likely.

    Of rules, Hypothesis leaves out so many in each history that few ever meet.
    """

    def note(method: F) -> F:
        steps.append(st.tuples(st.just(method.__name__), st.fixed_dictionaries(given)))
        return method

    return note
