"""What operators do to the stores from the command line, with the server running or not."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from ostiary import greeting
from ostiary.arguments import Duration
from ostiary.composition import NO_STORES, Core, find_plugins, make_backend, require_stores
from ostiary.durations import duration
from ostiary.key_settings import load_master_key
from ostiary.plugin_loading import installed
from ostiary.services.inventory import disabled
from ostiary.services.rights import ADMIN
from ostiary.services.sessions import Origin
from ostiary.settings import Settings, SettingsError
from ostiary.startup import bring_up_to_date, establish, opened, stores_of
from ostiary.storage import Backend, StorageError, migrate
from ostiary.storage.store import CORE
from ostiary.strategies import Call

logger = logging.getLogger(__name__)

LOCAL = "local"
LONGEST_TOKEN = 86_400_000
"""Milliseconds that a token from the command line may be good for."""


async def upgrade(settings: Settings, name: str | None) -> list[str]:
    """Bring every store, or one, up to date; return what was done."""
    done, failed = [], []
    async with _backend(settings) as backend:
        plugins = find_plugins(settings, await disabled(backend))
        for store, storage in stores_of(plugins):
            if name not in (None, store):
                continue
            if await bring_up_to_date(backend, store, storage):
                done.append((await migrate.compare(backend, store, storage)).reached)
            else:
                failed.append(store)
    if failed:
        raise StorageError(
            f"{', '.join(failed)} could not be upgraded, as told above; everything else was: "
            f"{'; '.join(done) or 'nothing'}"
        )
    if not done:
        raise StorageError(f"no plugin that is installed has a store named {name!r}")
    return done


async def status(settings: Settings) -> Sequence[tuple[str, ...]]:
    """Return name, revision, newest revision and state of every store."""
    require_stores(settings)
    rows = []
    async with _backend(settings) as backend:
        plugins = find_plugins(settings, await disabled(backend))
        for name, storage in stores_of(plugins):
            found = await migrate.compare(backend, name, storage)
            state = found.state
            if found.behind and found.current and found.current >= migrate.oldest_at(storage):
                # Servers that are there may go on when it is upgraded.
                state = f"{state}, compatible"
            rows.append((name, found.current or "-", found.newest, state))
    return rows


async def provision(
    settings: Settings, admin_url: str | None, connections: int | None = None
) -> Sequence[str]:
    """Make the roles and schemas of every store with an administrator's login.

    Without one, return the SQL that does it; the passwords in it are verifiers.

    :param connections: that the login of each store may have, if not as many as usual.
    """
    from ostiary.storage import provision as provisioning
    from ostiary.storage.access import database_of

    if settings.database.url is None:
        raise StorageError("give --database: SQLite files need no roles")
    master = load_master_key(settings)
    names = await _provisioned(settings)
    passwords = settings.database.passwords
    connections = provisioning.CONNECTIONS if connections is None else connections
    database = database_of(settings.database.url)
    if admin_url is None:
        return provisioning.statements(
            names, master, database, passwords=passwords, connections=connections
        )
    await provisioning.provision(
        admin_url, names, master, database, passwords=passwords, connections=connections
    )
    return ()


async def create_admin(settings: Settings, username: str, password: str, kuid: str | None) -> str:
    """Make an administrator who signs in with the local strategy; return their kuid."""
    async with opened(settings) as core:
        await establish(core)
        user = await core.services.users.create(
            Call(controller="security", action="createFirstAdmin", protocol="cli"),
            (ADMIN,),
            {},
            {LOCAL: {"username": username, "password": password}},
            kuid=kuid,
        )
    return user.kuid


async def admin_token(settings: Settings, kuid: str, expires: str) -> str:
    """Return a token of an administrator; what they sign in with is not asked, nor loaded.

    :param expires: how long it is good for, as durations are written.
    :raises SettingsError: it is no duration, or has no end.
    :raises StorageError: no administrator who may sign in has this kuid.
    """
    try:
        lifetime = Duration(duration(expires))
    except ValueError as error:
        raise SettingsError(f"--expires: {error}") from None
    if not 0 < lifetime <= LONGEST_TOKEN:
        raise SettingsError("--expires: wanted: at most a day, such as 15m")
    async with existing(replace(settings, failsafe=True)) as core:
        services = core.services
        await core.signing_keys.load()
        since = await services.changes.newest()
        account = await services.accounts.find(kuid)
        known = await services.users.administrators()
        if account is None or not account.user.enabled or kuid not in known:
            raise StorageError(
                f"{kuid!r} is no administrator who may sign in; the administrators are: "
                f"{', '.join(known) or 'none'}"
            )
        origin = Origin(None, "ostiary admin token", None)
        issued = await services.tokens.issue(account, lifetime, origin, unless_changed_since=since)
    if issued is None:
        raise StorageError(f"{kuid!r} was changed meanwhile; try again")
    logger.warning("a token of the administrator %r was made on the command line", kuid)
    return issued.token


async def setup_link(settings: Settings, port: int | None = None) -> str:
    """Return the link to the page that makes the first administrator, as long as there is none.

    :param port: where the server listens; None is where the settings say.
    :raises StorageError: there is one, or there are no pages.
    """
    if not settings.serves_pages:
        raise StorageError(
            "the settings leave the pages out: make an administrator with `ostiary admin create NAME`"
        )
    async with existing(replace(settings, failsafe=True)) as core:
        if await core.services.users.admin_exists():
            raise StorageError("there is an administrator: only the first one is made by the link")
        return greeting.setup_link(settings, core.setup_secret, port or settings.server.port)


async def restrict(settings: Settings) -> Sequence[str]:
    """Close stores that ``--dev`` opened; return the kuids of the administrators."""
    async with existing(settings) as core:
        await core.services.defaults.restrict(close=True)
        return await core.services.users.administrators()


async def list_keys(settings: Settings) -> Sequence[tuple[str, ...]]:
    """Return id, age, work, tokens and API keys of each key that signs or has signed tokens."""
    async with existing(settings) as core:
        return [
            (
                key.id,
                datetime.fromtimestamp(key.created_at / 1000, UTC).isoformat(timespec="seconds"),
                "signs" if key.retired_at is None else "verifies",
                str(key.tokens),
                str(key.api_keys),
            )
            for key in await core.services.key_ring.keys()
        ]


async def rotate_keys(settings: Settings, *, revoke_all: bool) -> str:
    """Have a new key sign tokens; return its id."""
    async with existing(settings) as core:
        await core.signing_keys.load()
        return await core.services.key_ring.rotate(revoke_all=revoke_all)


async def _provisioned(settings: Settings) -> list[str]:
    """Return the stores that need roles; those of disabled plugins may be about to come back."""
    async with _backend(settings) as backend:
        try:
            out = await disabled(backend)
        except StorageError:
            # A database without any roles cannot be asked.
            out = frozenset()
    names = [name for name, _storage in stores_of(find_plugins(settings, out))]
    return names + sorted(out & installed().keys())


@asynccontextmanager
async def existing(settings: Settings) -> AsyncIterator[Core]:
    """Open the stores, if there are any: a mistyped folder must not look like a success."""
    require_stores(settings)
    async with _backend(settings) as backend:
        if await backend.revision(CORE) is None:
            raise StorageError(NO_STORES)
    async with opened(settings) as core:
        yield core


@asynccontextmanager
async def _backend(settings: Settings) -> AsyncIterator[Backend]:
    backend = make_backend(settings, load_master_key(settings))
    try:
        yield backend
    finally:
        await backend.close()
