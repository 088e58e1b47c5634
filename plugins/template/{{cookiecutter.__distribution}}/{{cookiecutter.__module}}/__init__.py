"""The strategy ``{{ cookiecutter.__slug }}``: users sign in with a member number and a secret phrase."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from ostiary import (
    Storage,
    Store,
    Strategy,
    User,
    Verified,
    errors,
    hookimpl,
    read_settings,
    text_field,
)
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from {{ cookiecutter.__module }}.strategy import (
    {{ cookiecutter.__class }}Settings,
    {{ cookiecutter.__class }}Strategy,
)
from {{ cookiecutter.__module }}.tables import metadata, phrases

LONGEST_MEMBER, LONGEST_PHRASE = 64, 1024
TAKEN = "this member number belongs to another user"


@hookimpl
def ostiary_strategies(settings: Mapping[str, Any]) -> Iterable[Strategy]:
    known = read_settings(settings, {{ cookiecutter.__class }}Settings)
    return [{{ cookiecutter.__class }}Strategy(settings=known)]


@hookimpl
def ostiary_storage() -> Storage:
    return Storage(metadata, files(__name__) / "migrations")


@hookimpl
async def ostiary_verify_credentials(
    strategy: {{ cookiecutter.__class }}Strategy,
    store: Store,
    credentials: Mapping[str, Any],
) -> Verified:
    member, phrase = text_field(credentials, "member"), text_field(credentials, "phrase")
    row = None
    if _is_member(member):
        async with store.read() as db:
            found = await db.execute(select(phrases).where(phrases.c.member == member))
            row = found.one_or_none()
    # Without a row this works as long and answers no: nobody learns which numbers exist.
    genuine = await store.hasher.matches(row.hash if row else None, phrase[:LONGEST_PHRASE])
    if row is None or not genuine or len(phrase) > LONGEST_PHRASE:
        kuid, reason = (row.kuid, "wrong phrase") if row else (None, "unknown member")
        raise errors.LoginRefused(strategy.refusal, kuid=kuid, reason=reason)
    return Verified(row.kuid)


@hookimpl
async def ostiary_validate_credentials(
    strategy: {{ cookiecutter.__class }}Strategy,
    store: Store,
    user: User,
    credentials: Mapping[str, Any],
    partial: bool,
) -> None:
    if partial and not credentials.keys() & {"member", "phrase"}:
        raise errors.CredentialsRejected("there is neither a member number nor a phrase")
    if "phrase" in credentials or not partial:
        length, shortest = len(text_field(credentials, "phrase")), strategy.settings.min_length
        if not shortest <= length <= LONGEST_PHRASE:
            raise errors.CredentialsRejected(
                f"a phrase has from {shortest} to {LONGEST_PHRASE} characters"
            )
    if "member" in credentials or not partial:
        await _check_member(store, user, text_field(credentials, "member"))


@hookimpl
async def ostiary_create_credentials(
    store: Store, kuid: str, credentials: Mapping[str, Any]
) -> Mapping[str, Any]:
    columns = await _columns(store, credentials)
    try:
        async with store.begin() as db:
            await db.execute(insert(phrases).values(kuid=kuid, **columns))
    except IntegrityError:
        # From None: the text of the cause holds the hash.
        raise errors.CredentialsRejected(TAKEN) from None
    return {"member": credentials["member"]}


@hookimpl
async def ostiary_update_credentials(
    store: Store, kuid: str, credentials: Mapping[str, Any]
) -> Mapping[str, Any]:
    columns = await _columns(store, credentials)
    try:
        async with store.begin() as db:
            await db.execute(update(phrases).where(phrases.c.kuid == kuid).values(columns))
            member = await db.scalar(select(phrases.c.member).where(phrases.c.kuid == kuid))
    except IntegrityError:
        raise errors.CredentialsRejected(TAKEN) from None
    return {"member": member}


@hookimpl
async def ostiary_delete_credentials(store: Store, kuid: str) -> None:
    async with store.begin() as db:
        await db.execute(delete(phrases).where(phrases.c.kuid == kuid))


@hookimpl
async def ostiary_get_credentials(store: Store, kuid: str) -> Mapping[str, Any] | None:
    async with store.read() as db:
        member = await db.scalar(select(phrases.c.member).where(phrases.c.kuid == kuid))
    return None if member is None else {"member": member}


def _is_member(text: str) -> bool:
    """Tell whether a text can be a member number at all."""
    return len(text) <= LONGEST_MEMBER and text.isprintable()


async def _check_member(store: Store, user: User, member: str) -> None:
    if not _is_member(member):
        raise errors.CredentialsRejected(
            f"a member number has at most {LONGEST_MEMBER} characters, all of them printable"
        )
    async with store.read() as db:
        holder = await db.scalar(select(phrases.c.kuid).where(phrases.c.member == member))
    if holder not in (None, user.kuid):
        raise errors.CredentialsRejected(TAKEN)


async def _columns(store: Store, credentials: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns that hold the given fields, with the phrase hashed."""
    columns = {"member": credentials["member"]} if "member" in credentials else {}
    if "phrase" in credentials:
        columns["hash"] = await store.hasher.hash(credentials["phrase"])
    return columns
