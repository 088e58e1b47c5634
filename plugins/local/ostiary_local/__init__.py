"""The ``local`` strategy: users sign in with a user name and a password."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ostiary import (
    Call,
    Controller,
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
from ostiary_local import accounts, errors, naming, passwords, searching, verification
from ostiary_local.accounts import Account
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
    return [verification.identifier]


@hookimpl
async def ostiary_verify_credentials(
    strategy: LocalStrategy, store: Store, credentials: Mapping[str, Any]
) -> Verified:
    username, password = _given(credentials)
    if passwords.too_long(password):
        raise core.LoginRefused(strategy.refusal, reason="the password is too long")
    account = await accounts.called(strategy, store, username)
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
    strategy: LocalStrategy,
    store: Store,
    user: User,
    credentials: Mapping[str, Any],
    call: Call,
    partial: bool,
) -> None:
    if not {"kuid", "_id"}.isdisjoint(credentials):
        raise errors.KuidForbidden
    if not partial:
        _require_both(credentials)
    elif not {*naming.KINDS, "password", "verified"} & credentials.keys():
        raise errors.NothingToUpdate
    elif await accounts.of(store, user.kuid) is None:
        raise errors.NoAccount(user.kuid)
    wanted = await naming.read(strategy, store, credentials, call)
    await accounts.check(store, user.kuid, wanted)
    if "password" in credentials:
        passwords.fit(credentials["password"], strategy.settings.shortest)


@hookimpl
async def ostiary_create_credentials(
    strategy: LocalStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    wanted = await naming.read(strategy, store, credentials, call)
    await accounts.add(store, kuid, wanted, await _columns(store, credentials, call))
    return await _view(store, kuid)


@hookimpl
async def ostiary_update_credentials(
    strategy: LocalStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    wanted = await naming.read(strategy, store, credentials, call)
    await accounts.change(store, kuid, wanted, await _columns(store, credentials, call))
    return await _view(store, kuid)


@hookimpl
async def ostiary_delete_credentials(store: Store, kuid: str) -> None:
    await accounts.erase(store, kuid)


@hookimpl
async def ostiary_get_credentials(store: Store, kuid: str) -> Mapping[str, Any] | None:
    return await accounts.view(store, kuid)


@hookimpl
async def ostiary_get_credentials_by_id(
    strategy: LocalStrategy, store: Store, id: str
) -> Mapping[str, Any]:
    account = await accounts.called(strategy, store, id)
    if account is None:
        raise errors.NoSuchAccount(id)
    return {**await _view(store, account.kuid), "kuid": account.kuid}


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


async def _view(store: Store, kuid: str) -> Mapping[str, Any]:
    seen = await accounts.view(store, kuid)
    if seen is None:
        raise errors.NoAccount(kuid)
    return seen


def _require_both(credentials: Mapping[str, Any]) -> None:
    if not naming.gives_one(credentials):
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
