"""The names that credentials give to an account: user names, e-mail addresses, numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ostiary import Call, Store, mark
from ostiary_local import emails, errors, lookalikes, names, phones

if TYPE_CHECKING:
    from ostiary_local.strategy import LocalStrategy

Kind = Literal["username", "email", "phone"]

USERNAME: Kind = "username"
ADDRESSES: tuple[Kind, ...] = ("email", "phone")
KINDS: tuple[Kind, ...] = (USERNAME, *ADDRESSES)

MOST = 10
"""Names that an account has at most."""

ADMINISTRATIVE = frozenset({"security", "admin", ""})
"""Controllers whose callers may say that an address is verified; commands name none."""

OPEN = frozenset({"createRestrictedUser"})
"""Actions of those that anybody may be allowed to run."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name to be written.

    :ivar value: what it is spelled like.
    :ivar key: what its spellings share.
    :ivar skeletons: what names share that look like it; none where that is not asked. The first
        is stored.
    :ivar verified: it is known to be the user's.
    """

    value: str
    key: str
    kind: Kind = USERNAME
    skeletons: tuple[str, ...] = ()
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """What is to become of the names of an account.

    :ivar given: all names of each kind that is given; other kinds stay as they are.
    :ivar verified: keys of the addresses that are verified.
    :ivar lasting: since how many ms an address that is not verified is claimed before it gives
        way to another claim; None if it never does.
    :ivar losers: users whose addresses give way to what is verified here; see ``claims``.
    """

    given: Mapping[Kind, tuple[Name, ...]]
    verified: frozenset[str] = field(default=frozenset())
    lasting: int | None = None
    losers: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, name: Name) -> Names:
        """Return that an account is to have one name of a kind."""
        return cls({name.kind: (name,)})

    def every(self) -> Iterator[Name]:
        """Return the names of all kinds."""
        for kind in KINDS:
            yield from self.given.get(kind, ())


async def read(
    strategy: LocalStrategy, store: Store, credentials: Mapping[str, Any], call: Call
) -> Names:
    """Return the names that credentials give.

    :raises errors.InvalidUsername: nobody can have one of them; likewise InvalidEmail,
        InvalidPhone, InvalidVerified.
    :raises errors.TooManyNames: there are more than an account may have.
    :raises errors.VerifiedForbidden: the caller says what is verified, and is no administrator.
    """
    work = partial(names_of, strategy, credentials, call)
    return work() if _quick(credentials) else await store.hasher.run(work)


def names_of(strategy: LocalStrategy, credentials: Mapping[str, Any], call: Call) -> Names:
    """Return the names that credentials give, at once; see ``read``."""
    verified = _verified(strategy, credentials, call)
    given: dict[Kind, tuple[Name, ...]] = {}
    for kind in ADDRESSES:
        if kind in credentials:
            texts = _texts(kind, credentials[kind])
            found = [of_kind(strategy, kind, value) for value in texts]
            given[kind] = tuple(replace(one, verified=one.key in verified) for one in found)
    if USERNAME in credentials and (credentials[USERNAME] is not None or not any(given.values())):
        given[USERNAME] = (of_kind(strategy, USERNAME, credentials[USERNAME]),)
    return Names(_distinct(given), verified, strategy.settings.lasting)


def gives_one(credentials: Mapping[str, Any]) -> bool:
    """Tell whether credentials give a name at all."""
    return credentials.get(USERNAME) is not None or any(map(credentials.get, ADDRESSES))


def of_kind(strategy: LocalStrategy, kind: Kind, value: object) -> Name:
    """Return a name of a kind, as it is to be written.

    :raises errors.InvalidUsername: nobody can have it; likewise InvalidEmail, InvalidPhone.
    """
    if kind == USERNAME:
        return _username(strategy, value)
    if kind == "email":
        fit = emails.fit(value)
    else:
        fit = phones.fit(value, strategy.settings.phone_region)
    asked = strategy.settings.refuses_lookalikes and fit.isascii()
    return Name(fit, strategy.key(fit), kind, (lookalikes.skeleton(fit.lower()),) if asked else ())


def address(strategy: LocalStrategy, value: str) -> Name | None:
    """Return a name that is an e-mail address or a telephone number, verified; else None."""
    kind: Kind = "email" if "@" in value else "phone"
    try:
        return replace(of_kind(strategy, kind, value), verified=True)
    except (errors.InvalidEmail, errors.InvalidPhone):
        return None


def _quick(credentials: Mapping[str, Any]) -> bool:
    """Tell whether names are read in no time.

    Those that are not ASCII take milliseconds, for their look-alikes and for IDNA.
    """
    for field_ in (*KINDS, "verified"):
        value = credentials.get(field_)
        for text in value[: MOST + 1] if isinstance(value, list) else [value]:
            if isinstance(text, str) and not (text.isascii() and "xn--" not in text.lower()):
                return False
    return True


def _username(strategy: LocalStrategy, value: object) -> Name:
    username = names.fit(value, strategy.settings.username_matching)
    key = strategy.key(username)
    if not strategy.settings.refuses_lookalikes:
        return Name(username, key)
    if lookalikes.imitates(username):
        raise errors.InvalidUsername(
            mark("must not mix alphabets whose letters look alike in a word")
        )
    # As it is compared, and as it is shown: other letters look alike when they are large.
    skeletons = lookalikes.skeleton(names.folded(username)), lookalikes.skeleton(username)
    return Name(username, key, USERNAME, skeletons)


def _verified(
    strategy: LocalStrategy, credentials: Mapping[str, Any], call: Call
) -> frozenset[str]:
    value = credentials.get("verified")
    if value is None:
        return frozenset()
    if call.controller not in ADMINISTRATIVE or call.action in OPEN:
        raise errors.VerifiedForbidden
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise errors.InvalidVerified(
            mark("must be a list of e-mail addresses and telephone numbers")
        )
    found = {address(strategy, one) for one in value[: MOST + 1]}
    if None in found or len(value) > MOST:
        raise errors.InvalidVerified(
            mark(f"must be at most {MOST} addresses, each as mail would need it")
        )
    return frozenset(name.key for name in found if name is not None)


def _texts(kind: Kind, value: object) -> list[str]:
    """Return the addresses that a field gives: none, one, or a list of them."""
    listed: list[Any] = [] if value is None else value if isinstance(value, list) else [value]
    if len(listed) > MOST:
        raise errors.TooManyNames(MOST)
    if not all(isinstance(one, str) for one in listed):
        refusal = errors.InvalidEmail if kind == "email" else errors.InvalidPhone
        raise refusal(mark("must be a text, or a list of texts"))
    return listed


def _distinct(given: Mapping[Kind, tuple[Name, ...]]) -> dict[Kind, tuple[Name, ...]]:
    """Leave out what is given twice; an address that is also the user name stays an address."""
    seen: set[str] = set()
    kept: dict[Kind, tuple[Name, ...]] = {}
    for kind in (*ADDRESSES, USERNAME):
        if kind in given:
            fresh = {name.key: name for name in given[kind] if name.key not in seen}
            seen |= fresh.keys()
            kept[kind] = tuple(fresh.values())
    return kept
