"""Reading one line of a file, whatever its format was: whose account it is, and what proves it.

Nothing that is raised here quotes what a field holds: it may be a password, in the wrong column.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ostiary import errors as core
from ostiary_local import passwords
from ostiary_local.strategy import LocalStrategy
from ostiary_local.transfer import kuzzle, naming, values
from ostiary_local.transfer.naming import Named
from ostiary_local.transfer.values import Refused

if TYPE_CHECKING:
    from ostiary_local.foreign import Foreign

FIELDS = frozenset(
    {
        *("username", "kuid", "email", "emails", "emailVerified", "phone", "phones"),
        *("phoneVerified", "password", "hash", "peppered", "wrapped", "formerPasswords"),
        *("passwordSetAt", "updater", "profileIds", "content"),
    }
)

OWN_HASH = re.compile(r"[0-9]*(\$argon2id\$[\x21-\x7e]+)")
"""One of our own: the version of the key that it is bound to, and the text of argon2."""

MOST_FORMER = 100

NO_PROOF = (
    "the hash needs the master key of the server that made it, and the file does not begin with "
    "the line which proves that this server has the same one"
)
OTHER_KEY = (
    "the hash needs the master key of the server that made it, and this server has another one"
)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a password is known by: itself, a hash of another system, or one of this server.

    :ivar outline: of ``own``, if that is made of what another hash would be.
    """

    password: str | None = field(default=None, repr=False)
    foreign: Foreign | None = field(default=None, repr=False)
    own: str | None = field(default=None, repr=False)
    outline: str | None = field(default=None, repr=False)

    @property
    def weak(self) -> bool:
        """Whether whoever reads it guesses cheaply."""
        return self.foreign is not None and self.foreign.weak


@dataclass(frozen=True, slots=True)
class Former:
    """A former password; instants in ms, None where nobody knows."""

    proof: Proof
    set_at: int | None
    archived_at: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An account as a file describes it; instants in ms.

    :ivar names: by which the user signs in, and when each was verified; the user name first.
    :ivar set_at: when the password was set; None is now.
    :ivar updater: who set it; None is not told.
    """

    kuid: str | None
    names: tuple[Named, ...]
    proof: Proof
    former: tuple[Former, ...]
    profile_ids: tuple[str, ...]
    content: Mapping[str, Any] = field(repr=False)
    set_at: int | None
    updater: str | None


class Reader:
    """Reads lines into entries.

    :param parameters: members that all hashes of the file share, such as Firebase's signer key.
    :ivar trusted: the file was made by a server with this master key: its own hashes are good.
    :ivar proof_seen: the file said which master key its server had.
    """

    def __init__(
        self, strategy: LocalStrategy, parameters: Mapping[str, Any], instant: int
    ) -> None:
        self._strategy, self._parameters, self._instant = strategy, parameters, instant
        self.trusted = False
        self.proof_seen = False

    def read(self, line: Mapping[str, Any]) -> Entry:
        """Return the account that a line describes.

        :raises Refused: it describes none; says why.
        """
        fields = kuzzle.as_fields(line) if kuzzle.is_document(line) else line
        fields = {name: value for name, value in fields.items() if value not in (None, "")}
        if unknown := fields.keys() - FIELDS:
            raise Refused(f"unknown field {min(unknown)!r}")
        names = naming.names_of(self._strategy, fields, self._instant)
        return Entry(
            kuid=values.text(fields, "kuid"),
            names=names,
            proof=self._proof(fields, names),
            former=tuple(self._former(fields)),
            profile_ids=values.texts(fields, "profileIds"),
            content=values.table(fields, "content"),
            set_at=values.instant(fields, "passwordSetAt"),
            updater=values.text(fields, "updater"),
        )

    def _proof(self, fields: Mapping[str, Any], names: Sequence[Named]) -> Proof:
        password, hash_ = fields.get("password"), fields.get("hash")
        if password is None and hash_ is None and any(map(_receives_resets, names)):
            # A secret that nobody knows: they set their own with a reset token from a mail.
            return Proof(password=secrets.token_urlsafe(32))
        if (password is None) == (hash_ is None):
            raise Refused("wanted: either a password or a hash; or a verified email for neither")
        if password is None:
            return self._hashed(fields)
        try:
            # No rules but those of every password: it was chosen elsewhere, under other ones.
            return Proof(password=passwords.fit(password, 0))
        except core.OstiaryError as error:
            raise Refused(str(error)) from None

    def _hashed(self, fields: Mapping[str, Any]) -> Proof:
        hash_ = fields.get("hash")
        if values.flag(fields, "peppered"):
            return self._own(hash_, values.text(fields, "wrapped"))
        from ostiary_local.foreign import UnknownHash, parse

        if isinstance(hash_, str) and self._parameters and hash_.lstrip().startswith("{"):
            # In CSV an object is written as text.
            hash_ = values.table(fields, "hash")
        if isinstance(hash_, Mapping):
            hash_ = {**self._parameters, **hash_}
        elif not isinstance(hash_, str):
            raise Refused("hash: wanted: a text or an object")
        try:
            return Proof(foreign=parse(hash_))
        except UnknownHash as error:
            raise Refused(f"hash: {error}") from None

    def _own(self, hash_: Any, outline: str | None) -> Proof:
        if not self.trusted:
            raise Refused(OTHER_KEY if self.proof_seen else NO_PROOF)
        if not isinstance(hash_, str) or not (found := OWN_HASH.fullmatch(hash_)):
            raise Refused("hash: is none that a server like this one makes")
        _check_own(found[1])
        if outline is not None:
            from ostiary_local.foreign import UnknownHash, parse_outline

            try:
                parse_outline(outline)
            except UnknownHash as error:
                raise Refused(f"wrapped: {error}") from None
        return Proof(own=hash_, outline=outline)

    def _former(self, fields: Mapping[str, Any]) -> Iterator[Former]:
        former = values.listed(fields, "formerPasswords")
        if len(former) > MOST_FORMER:
            raise Refused(f"formerPasswords: there are more than {MOST_FORMER}")
        for one in former:
            if not isinstance(one, Mapping):
                raise Refused("formerPasswords: wanted: a list of objects")
            try:
                set_at, archived_at = (
                    values.instant(one, "setAt"),
                    values.instant(one, "archivedAt"),
                )
                yield Former(self._hashed(one), set_at, archived_at)
            except Refused as error:
                raise Refused(f"formerPasswords: {error}") from None


def _receives_resets(named: Named) -> bool:
    name, verified_at = named
    return name.kind == "email" and verified_at is not None


def _check_own(text: str) -> None:
    """Refuse a text of argon2 that cannot be read, or that costs much to check or little to find.

    Whose it is is not known before the first login.
    """
    from ostiary_local.foreign import UnknownHash, argon2

    try:
        how, value = argon2.read(text)
    except UnknownHash as error:
        raise Refused(f"hash: {error}") from None
    # Written again it is the same, or argon2 itself would not read it.
    if value is None or how.text(value) != text:
        raise Refused("hash: is none that a server like this one makes")
