"""What operators do to the stores from the command line, with the server running or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from ostiary.composition import (
    NO_STORES,
    Core,
    find_plugins,
    load_master_key,
    make_backend,
    require_stores,
)
from ostiary.services.rights import ADMIN
from ostiary.settings import Settings
from ostiary.startup import establish, opened, stores_of
from ostiary.storage import Backend, StorageError, migrate
from ostiary.storage.store import CORE
from ostiary.strategies import Call

LOCAL = "local"


async def list_plugins(settings: Settings) -> Sequence[tuple[str, ...]]:
    """Return name, version, strategies, store and revision of each plugin."""
    plugins = find_plugins(settings)
    rows = []
    async with _backend(settings) as backend:
        for plugin in plugins.loaded:
            strategies = ", ".join(strategy.name for strategy in plugin.strategies)
            revision = await backend.revision(plugin.name) if plugin.storage else None
            store = plugin.name if plugin.storage else "-"
            rows.append((plugin.name, plugin.version, strategies or "-", store, revision or "-"))
    rows += [(name, "-", f"({reason})", "-", "-") for name, reason in plugins.refused.items()]
    return rows


async def forget_plugin(settings: Settings, name: str) -> None:
    """Do without a plugin that is gone, even if it took part in every login."""
    plugins = find_plugins(settings)
    if any(plugin.name == name for plugin in plugins.loaded):
        raise StorageError(f"the plugin {name} is installed; uninstall it, or set plugins.allow")
    async with opened(settings) as core:
        if not await core.services.inventory.forget(name):
            raise StorageError(f"no plugin {name!r} was ever here")


async def upgrade(settings: Settings, name: str | None) -> list[str]:
    """Bring every store, or one, up to date; return what was done."""
    done = []
    async with _backend(settings) as backend:
        for store, storage in stores_of(find_plugins(settings)):
            if name in (None, store):
                await migrate.upgrade(backend, store, storage)
                done.append(f"{store} is at revision {migrate.head(storage)}")
    if not done:
        raise StorageError(f"no plugin that is installed has a store named {name!r}")
    return done


async def status(settings: Settings) -> Sequence[tuple[str, ...]]:
    """Return name, revision, newest revision and state of every store."""
    require_stores(settings)
    rows = []
    async with _backend(settings) as backend:
        for name, storage in stores_of(find_plugins(settings)):
            found = await migrate.status(backend, name, storage)
            state = "ahead" if found.ahead else "behind" if found.behind else "up to date"
            rows.append((name, found.current or "-", found.newest, state))
    return rows


async def provision(settings: Settings, admin_url: str | None) -> Sequence[str]:
    """Make the roles and schemas of every store with an administrator's login.

    Without one, return the SQL that does it; the passwords in it are verifiers.
    """
    from ostiary.storage import provision as provisioning
    from ostiary.storage.access import database_of

    if settings.database.url is None:
        raise StorageError("give --database: SQLite files need no roles")
    master = load_master_key(settings)
    names = [name for name, _storage in stores_of(find_plugins(settings))]
    passwords = settings.database.passwords
    database = database_of(settings.database.url)
    if admin_url is None:
        return provisioning.statements(names, master, database, passwords=passwords)
    await provisioning.provision(admin_url, names, master, database, passwords=passwords)
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
