"""The ``local`` strategy: users sign in with a user name and a password."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ostiary import (
    Call,
    Command,
    Controller,
    Directory,
    Filter,
    FoundCredentials,
    Order,
    Storage,
    Store,
    Strategy,
    User,
    Verified,
    hookimpl,
    read_settings,
)
from ostiary import errors as core
from ostiary_local import accounts, errors, list_commands, names, passwords, searching, vetting
from ostiary_local.accounts import Account, Name
from ostiary_local.mail import actions, notices
from ostiary_local.settings import LocalSettings
from ostiary_local.strategy import LocalStrategy
from ostiary_local.tables import metadata

logger = logging.getLogger(__name__)


@hookimpl
def ostiary_strategies(settings: Mapping[str, Any]) -> Iterable[Strategy]:
    return [LocalStrategy(settings=read_settings(settings, LocalSettings))]


@hookimpl
def ostiary_wire_name() -> str:
    return errors.WIRE_NAME


@hookimpl
def ostiary_storage() -> Storage:
    return Storage(metadata, files(__name__) / "migrations")


@hookimpl
def ostiary_controllers() -> Iterable[Controller]:
    return [actions.password, actions.identifier]


@hookimpl
async def ostiary_background(
    settings: Mapping[str, Any], store: Store, directory: Directory
) -> None:
    configured = read_settings(settings, LocalSettings)
    if configured.mail is not None:
        # Only now: a server without mail does not pay for what sends it.
        from ostiary_local.mail.delivery import deliver

        await deliver(LocalStrategy(settings=configured), configured.mail, store, directory)


@hookimpl
def ostiary_commands() -> Iterable[Command]:
    return list_commands.COMMANDS


@hookimpl
async def ostiary_verify_credentials(
    strategy: LocalStrategy, store: Store, credentials: Mapping[str, Any]
) -> Verified:
    username, password = _given(credentials)
    if passwords.too_long(password):
        raise core.LoginRefused(strategy.refusal, reason="the password is too long")
    account = None
    if names.fault(username) is None:
        account = await accounts.named(store, username, strategy.key(username))
    # Nobody's password is as much work as somebody's.
    stored = None if account is None else account.hash
    genuine = await store.hasher.matches(stored, passwords.normal(password))
    if account is None:
        raise core.LoginRefused(strategy.refusal, reason="unknown account")
    if not genuine:
        raise core.LoginRefused(strategy.refusal, kuid=account.kuid, reason="wrong password")
    if stored is not None and store.hasher.outdated(stored):
        await _renew(store, account, password)
    return Verified(account.kuid)


@hookimpl
async def ostiary_validate_credentials(
    strategy: LocalStrategy, store: Store, user: User, credentials: Mapping[str, Any], partial: bool
) -> None:
    if not {"kuid", "_id"}.isdisjoint(credentials):
        raise errors.KuidForbidden
    if not partial:
        _require_both(credentials)
    elif not {"username", "password"} & credentials.keys():
        raise errors.NothingToUpdate
    elif await accounts.of(store, user.kuid) is None:
        raise errors.NoAccount(user.kuid)
    if "username" in credentials:
        username = names.fit(credentials["username"])
        holder = await accounts.named(store, username, strategy.key(username))
        if holder is not None and holder.kuid != user.kuid:
            raise errors.UsernameTaken(username)
    if "password" in credentials:
        known = await _names(strategy, store, user, credentials)
        await vetting.vet(store, strategy.settings, credentials["password"], known)


@hookimpl
async def ostiary_create_credentials(
    strategy: LocalStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    username = credentials["username"]
    name = Name(username, strategy.key(username))
    await accounts.add(store, kuid, name, await _columns(store, credentials, call))
    return {"username": credentials["username"]}


@hookimpl
async def ostiary_update_credentials(
    strategy: LocalStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    name = None
    if "username" in credentials:
        username = credentials["username"]
        name = Name(username, strategy.key(username))
    columns = await _columns(store, credentials, call)
    telling = notices.of_change(strategy, store, kuid, credentials, call)
    return {"username": await accounts.change(store, kuid, name, columns, telling)}


@hookimpl
async def ostiary_delete_credentials(store: Store, kuid: str) -> None:
    await accounts.erase(store, kuid)


@hookimpl
async def ostiary_get_credentials(store: Store, kuid: str) -> Mapping[str, Any] | None:
    account = await accounts.of(store, kuid)
    return None if account is None else {"username": account.username}


@hookimpl
async def ostiary_get_credentials_by_id(
    strategy: LocalStrategy, store: Store, id: str
) -> Mapping[str, Any]:
    account = None
    if names.fault(id) is None:
        account = await accounts.named(store, id, strategy.key(id))
    if account is None:
        raise errors.NoSuchAccount(id)
    return {"username": account.username, "kuid": account.kuid}


@hookimpl
async def ostiary_search_credentials(
    store: Store, filter: Filter, sort: Sequence[Order], offset: int, limit: int
) -> FoundCredentials:
    return await searching.search(store, filter, sort, offset=offset, limit=limit)


def _given(credentials: Mapping[str, Any]) -> tuple[str, str]:
    """Return the user name and the password of a login."""
    username, password = credentials.get("username"), credentials.get("password")
    if isinstance(username, str) and isinstance(password, str) and username and password:
        return username, password
    raise core.LoginRefused("Missing credentials.", reason="missing credentials")


async def _names(
    strategy: LocalStrategy, store: Store, user: User, credentials: Mapping[str, Any]
) -> list[str]:
    """Return what is called like the user: the names of now, and those that are to be."""
    told = [credentials.get(key) for key in strategy.field_names if key != "password"]
    short = [one for one in told if isinstance(one, str) and len(one) <= names.LONGEST]
    return [user.kuid, *short, *await vetting.names_of(store, user.kuid)]


def _require_both(credentials: Mapping[str, Any]) -> None:
    if credentials.get("username") is None:
        raise errors.MissingUsername
    if credentials.get("password") is None:
        raise errors.MissingPassword


async def _columns(store: Store, credentials: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Return the columns of a new password, hashed; none without one."""
    if "password" not in credentials:
        return {}
    hash_ = await store.hasher.hash(passwords.normal(credentials["password"]))
    return {
        "hash": hash_,
        "imported": None,
        "updater": call.kuid,
        "password_set_at": accounts.now(),
    }


async def _renew(store: Store, account: Account, password: str) -> None:
    """Hash a password at the cost now in force; a login does not fail over it."""
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
