"""The ``local`` strategy: users sign in with a user name and a password."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
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
    claims,
    commands,
    errors,
    history,
    identifiers,
    logins,
    naming,
    passwords,
    policies,
    reauthentication,
    resets,
    searching,
    verification,
    vetting,
)
from ostiary_local.mail import actions, notices
from ostiary_local.naming import Names
from ostiary_local.settings import LocalSettings
from ostiary_local.strategy import LocalStrategy
from ostiary_local.tables import metadata


@hookimpl
def ostiary_strategies(settings: Mapping[str, Any]) -> Iterable[Strategy]:
    return [LocalStrategy.of(read_settings(settings, LocalSettings))]


@hookimpl
def ostiary_wire_name() -> str:
    return errors.WIRE_NAME


@hookimpl
def ostiary_controllers() -> Iterable[Controller]:
    return [
        resets.password,
        verification.identifier,
        actions.password,
        actions.identifier,
    ]


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
    return commands.commands()


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
    elif not {*naming.KINDS, "password", "verified"} & credentials.keys():
        raise errors.NothingToUpdate
    elif await accounts.of(store, user.kuid) is None:
        raise errors.NoAccount(user.kuid)
    wanted = await _wanted(strategy, store, user.kuid, credentials, call, directory)
    held = await accounts.check(store, user.kuid, wanted)
    if "password" in credentials:
        given = [name.value for name in wanted.every()]
        known = [user.kuid, *given, *(name.value for name in held)]
        await vetting.vet(store, strategy.settings, credentials["password"], known)
        await policies.check_new(strategy, store, user, credentials, call, directory)


@hookimpl
async def ostiary_create_credentials(
    strategy: LocalStrategy,
    store: Store,
    kuid: str,
    credentials: Mapping[str, Any],
    call: Call,
    directory: Directory,
) -> Mapping[str, Any]:
    wanted = await _wanted(strategy, store, kuid, credentials, call, directory)
    return await accounts.add(store, kuid, wanted, await _columns(store, kuid, credentials, call))


@hookimpl
async def ostiary_update_credentials(
    strategy: LocalStrategy,
    store: Store,
    kuid: str,
    credentials: Mapping[str, Any],
    call: Call,
    directory: Directory,
) -> Mapping[str, Any]:
    wanted = await _wanted(strategy, store, kuid, credentials, call, directory)
    columns = await _columns(store, kuid, credentials, call)
    keep = await policies.kept(strategy, kuid, directory) if columns else 0
    archive = partial(history.archive, store, kuid, keep)
    ticket = resets.spent_by(call)
    telling = notices.of_change(strategy, store, kuid, credentials, call)
    await accounts.change(store, kuid, wanted, columns, archive, ticket=ticket, telling=telling)
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
async def ostiary_reauthenticate(
    strategy: LocalStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> None:
    await reauthentication.check(strategy, store, kuid, credentials, call)


@hookimpl
async def ostiary_verified_address(
    settings: Mapping[str, Any], store: Store, email: str
) -> str | None:
    strategy = LocalStrategy(settings=read_settings(settings, LocalSettings))
    return await identifiers.verified(strategy, store, email)


@hookimpl
async def ostiary_search_credentials(
    store: Store, filter: Filter, sort: Sequence[Order], offset: int, limit: int
) -> FoundCredentials:
    return await searching.search(store, filter, sort, offset=offset, limit=limit)


async def _view(store: Store, kuid: str) -> Mapping[str, Any]:
    seen = await accounts.view(store, kuid)
    if seen is None:
        raise errors.NoAccount(kuid)
    return seen


async def _wanted(
    strategy: LocalStrategy,
    store: Store,
    kuid: str,
    credentials: Mapping[str, Any],
    call: Call,
    directory: Directory,
) -> Names:
    """Return the names that credentials give, and from whom they may be taken."""
    wanted = await naming.read(strategy, store, credentials, call)
    losers = await claims.within_authority(store, directory, kuid, wanted.every(), call)
    return replace(wanted, losers=losers)


def _require_both(credentials: Mapping[str, Any]) -> None:
    if not naming.gives_one(credentials):
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
