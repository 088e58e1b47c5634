"""The ``local`` strategy: users sign in with a user name and a password."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import Any

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
from ostiary_local import (
    accounts,
    errors,
    history,
    list_commands,
    logins,
    names,
    passwords,
    policies,
    reauthentication,
    resets,
    searching,
    vetting,
)
from ostiary_local.accounts import Name
from ostiary_local.mail import actions, notices
from ostiary_local.settings import LocalSettings
from ostiary_local.strategy import LocalStrategy
from ostiary_local.tables import metadata


@hookimpl
def ostiary_strategies(settings: Mapping[str, Any]) -> Iterable[Strategy]:
    return [LocalStrategy(settings=read_settings(settings, LocalSettings))]


@hookimpl
def ostiary_wire_name() -> str:
    return errors.WIRE_NAME


@hookimpl
def ostiary_controllers() -> Iterable[Controller]:
    return [resets.password, actions.password, actions.identifier]


@hookimpl
def ostiary_storage() -> Storage:
    return Storage(metadata, files(__name__) / "migrations")


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
    strategy: LocalStrategy, store: Store, credentials: Mapping[str, Any], directory: Directory
) -> Verified:
    return await logins.verify(strategy, store, credentials, directory)


@hookimpl
async def ostiary_validate_credentials(
    strategy: LocalStrategy,
    store: Store,
    user: User,
    credentials: Mapping[str, Any],
    call: Call,
    partial: bool,
    directory: Directory,
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
        await policies.check_new(strategy, store, user, credentials, call, directory)


@hookimpl
async def ostiary_create_credentials(
    strategy: LocalStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    username = credentials["username"]
    name = Name(username, strategy.key(username))
    await accounts.add(store, kuid, name, await _columns(store, kuid, credentials, call))
    return {"username": credentials["username"]}


@hookimpl
async def ostiary_update_credentials(
    strategy: LocalStrategy,
    store: Store,
    kuid: str,
    credentials: Mapping[str, Any],
    call: Call,
    directory: Directory,
) -> Mapping[str, Any]:
    name = None
    if "username" in credentials:
        username = credentials["username"]
        name = Name(username, strategy.key(username))
    columns = await _columns(store, kuid, credentials, call)
    keep = await policies.kept(strategy, kuid, directory) if columns else 0
    archive = partial(history.archive, store, kuid, keep)
    ticket = resets.spent_by(call)
    telling = notices.of_change(strategy, store, kuid, credentials, call)
    username = await accounts.change(
        store, kuid, name, columns, archive, ticket=ticket, telling=telling
    )
    return {"username": username}


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
async def ostiary_reauthenticate(
    strategy: LocalStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> None:
    await reauthentication.check(strategy, store, kuid, credentials, call)


@hookimpl
async def ostiary_search_credentials(
    store: Store, filter: Filter, sort: Sequence[Order], offset: int, limit: int
) -> FoundCredentials:
    return await searching.search(store, filter, sort, offset=offset, limit=limit)


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


async def _columns(
    store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> dict[str, Any]:
    """Return the columns of a new password, hashed; none without one."""
    if "password" not in credentials:
        return {}
    hash_ = await store.hasher.hash(passwords.normal(credentials["password"]))
    return {
        "hash": hash_,
        "imported": None,
        "updater": policies.author(call, kuid),
        "password_set_at": accounts.now(),
    }
