"""Users sign in with accounts that they have at OAuth and OpenID Connect providers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from ostiary import (
    Call,
    Controller,
    Directory,
    Filter,
    FoundCredentials,
    Order,
    Redirect,
    Storage,
    Store,
    Strategy,
    User,
    Verdict,
    hookimpl,
)
from ostiary_oauth import (
    absences,
    admission,
    errors,
    hosts,
    identities,
    identity_actions,
    invitation_actions,
    logout,
    searching,
    sweeping,
    tokens,
)
from ostiary_oauth import settings as configuration
from ostiary_oauth.protocol import flow
from ostiary_oauth.settings import doubts
from ostiary_oauth.strategy import OAuthStrategy
from ostiary_oauth.tables import metadata


@hookimpl
def ostiary_strategies(settings: Mapping[str, Any]) -> Iterable[Strategy]:
    return [OAuthStrategy.of(provider) for provider in configuration.providers(settings)]


@hookimpl
def ostiary_wire_name() -> str:
    return errors.WIRE_NAME


@hookimpl
def ostiary_controllers() -> Iterable[Controller]:
    return [
        identity_actions.identity,
        invitation_actions.invitation,
        logout.session,
        tokens.token,
    ]


@hookimpl
def ostiary_storage() -> Storage:
    return Storage(metadata, files(__name__) / "migrations")


@hookimpl
async def ostiary_background(
    settings: Mapping[str, Any], store: Store, directory: Directory
) -> None:
    # Of a server alone: commands have nothing to do with it.
    await doubts.tell(settings, directory)
    await sweeping.sweep_on(store)


@hookimpl
async def ostiary_verify_credentials(
    strategy: OAuthStrategy,
    store: Store,
    credentials: Mapping[str, Any],
    call: Call,
    directory: Directory,
) -> Verdict:
    if call.state is None:
        hosts.compare(strategy, call)
        return await flow.begin(strategy, admission.brought(credentials))
    proved = await flow.complete(strategy, credentials, call.state)
    absences.tell(strategy, proved.claims)
    return await admission.decide(strategy, store, directory, proved, call)


@hookimpl
async def ostiary_link_credentials(
    strategy: OAuthStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Redirect | Mapping[str, Any]:
    if call.state is None:
        return await flow.begin(strategy, {})
    return admission.fields_of(strategy, await flow.complete(strategy, credentials, call.state))


@hookimpl
async def ostiary_validate_credentials(
    strategy: OAuthStrategy,
    store: Store,
    user: User,
    credentials: Mapping[str, Any],
    call: Call,
    partial: bool,
) -> None:
    await identities.validate(strategy, store, user.kuid, credentials, call, partial=partial)


@hookimpl
async def ostiary_create_credentials(
    strategy: OAuthStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    return await identities.create(strategy, store, kuid, credentials, call)


@hookimpl
async def ostiary_update_credentials(
    strategy: OAuthStrategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    return await identities.update(strategy, store, kuid, credentials, call)


@hookimpl
async def ostiary_delete_credentials(strategy: OAuthStrategy, store: Store, kuid: str) -> None:
    await identities.erase(strategy, store, kuid)


@hookimpl
async def ostiary_get_credentials(
    strategy: OAuthStrategy, store: Store, kuid: str
) -> Mapping[str, Any] | None:
    return await identities.view(strategy, store, kuid)


@hookimpl
async def ostiary_get_credentials_by_id(
    strategy: OAuthStrategy, store: Store, id: str
) -> Mapping[str, Any]:
    return await identities.by_subject(strategy, store, id)


@hookimpl
async def ostiary_search_credentials(
    strategy: OAuthStrategy,
    store: Store,
    filter: Filter,
    sort: Sequence[Order],
    offset: int,
    limit: int,
) -> FoundCredentials:
    return await searching.search(strategy, store, filter, sort, offset=offset, limit=limit)
