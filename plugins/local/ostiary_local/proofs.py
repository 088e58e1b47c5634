"""Whether a password is the right one, whoever made the hash that is stored of it.

A row holds one of three things: our own hash; one from elsewhere, sealed; or both, where ours is
of what the other would be (it is *wrapped*), and the sealed text only tells how that is made.
"""

from __future__ import annotations

import logging
import unicodedata
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.exc import SQLAlchemyError

from ostiary import SealBroken, Store
from ostiary import errors as core
from ostiary_local import accounts, decoys, passwords, tables
from ostiary_local.accounts import Account

logger = logging.getLogger(__name__)


class Damaged(Exception):
    """What is stored of a password cannot be read; the text holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Former:
    """A row of the former passwords, as far as a proof needs it; see ``tables``."""

    id: str
    kuid: str
    hash: str | None = field(repr=False)
    imported: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a password, and where its sealed part stands."""

    kuid: str
    hash: str | None = field(repr=False)
    imported: bytes | None = field(repr=False)
    column: Any
    row: str


async def proves(store: Store, account: Account | None, password: str) -> bool:
    """Tell whether a password is that of an account.

    Nobody's password is as much work as one of our own hashes, and that is as much as a wrapped
    one. What cannot be read proves nothing, is as much work again, and is told in the log.

    :raises core.Overloaded: as many hashes wait as may wait.
    """
    outline = await decoys.decoy(store)
    if outline is not None and (account is None or account.imported is None):
        await decoys.imitate(store, outline, _forms(password))
    if account is None:
        return await store.hasher.matches(None, passwords.normal(password))
    column = tables.accounts.c.imported
    stored = Stored(account.kuid, account.hash, account.imported, column, account.kuid)
    return await _proves(store, stored, password)


async def proves_former(store: Store, former: Former, password: str) -> bool:
    """Tell whether a password is one that an account had.

    :raises core.Overloaded: as many hashes wait as may wait.
    """
    column = tables.former_passwords.c.imported
    return await _proves(
        store, Stored(former.kuid, former.hash, former.imported, column, former.id), password
    )


def sealed_as_former(store: Store, account: Account, id: str) -> bytes | None:
    """Return the imported part of an account's password, sealed for a row of former passwords.

    None if there is none, or if it cannot be opened any more.
    """
    if account.imported is None:
        return None
    try:
        text = store.sealer.open(
            account.imported, column=tables.accounts.c.imported, row=account.kuid
        )
    except SealBroken as damage:
        _tell(account.kuid, damage)
        return None
    return store.sealer.seal(text, column=tables.former_passwords.c.imported, row=id)


async def renew_if_outdated(store: Store, account: Account, password: str) -> None:
    """Hash a password at the cost now in force, in our own way; a login does not fail over it.

    :param password: the right one, just proved.
    """
    outdated = account.hash is None or store.hasher.outdated(account.hash)
    if account.imported is None and not outdated:
        return
    try:
        hash_ = await store.hasher.hash(passwords.normal(password))
        await accounts.renew(store, account, hash_)
    except (core.OstiaryError, SQLAlchemyError) as failure:
        # Not the text of the failure, which may hold the row.
        logger.warning(
            "the hash of user %r is outdated and was not renewed: %s",
            account.kuid,
            type(failure).__name__,
        )


async def _proves(store: Store, stored: Stored, password: str) -> bool:
    try:
        if stored.imported is None:
            return await _matches(store, stored.hash, passwords.normal(password))
        text = _opened(store, stored)
        if stored.hash is None:
            return await _proves_foreign(store, text, password)
        return await _proves_wrapped(store, stored.hash, text, password)
    except Damaged as damage:
        _tell(stored.kuid, damage)
    # Raises in its turn where memory was short and nothing was damaged.
    return await store.hasher.matches(None, passwords.normal(password))


async def _proves_foreign(store: Store, text: str, password: str) -> bool:
    from ostiary_local import foreign

    try:
        theirs = foreign.parse(text)
    except foreign.UnknownHash as reason:
        raise Damaged(f"imported: {reason}") from None
    for form in _forms(password):
        if await store.hasher.run(partial(theirs.matches, form)):
            return True
    return False


async def _proves_wrapped(store: Store, hash: str, text: str, password: str) -> bool:
    from ostiary_local import foreign

    try:
        theirs = foreign.parse_outline(text)
    except foreign.UnknownHash as reason:
        raise Damaged(f"wrapped: {reason}") from None
    for form in _forms(password):
        digest = await store.hasher.run(partial(theirs.digest, form))
        if await _matches(store, hash, decoys.wrapped(digest)):
            return True
    return False


def _forms(password: str) -> list[str]:
    """Return what another system may have hashed: as it was typed there, or in a normal form."""
    normal = (unicodedata.normalize(form, password) for form in ("NFC", "NFKC"))
    forms = dict.fromkeys((password, passwords.normal(password), *normal))
    # One character may become eighteen: such a form is nobody's.
    return [form for form in forms if not passwords.too_long(form)]


async def _matches(store: Store, hash: str | None, secret: str) -> bool:
    try:
        return await store.hasher.matches(hash, secret)
    except (InvalidHashError, VerificationError) as damage:
        raise Damaged(type(damage).__name__) from None


def _opened(store: Store, stored: Stored) -> str:
    assert stored.imported is not None
    try:
        opened = store.sealer.open(stored.imported, column=stored.column, row=stored.row)
        return opened.decode()
    except (SealBroken, UnicodeDecodeError) as damage:
        raise Damaged(type(damage).__name__) from None


def _tell(kuid: str, damage: Exception) -> None:
    logger.error("what is stored of the password of user %r is damaged: %s", kuid, damage)
