"""The ``admin`` controller: fixtures, resets, and stopping the server."""

from __future__ import annotations

from typing import Annotated

from ostiary import errors
from ostiary.actions import POST, Controller
from ostiary.services import Services

admin = Controller("admin")

ACKNOWLEDGED = {"acknowledge": True}
TOKENS, NOTHING = "internalCache", "memoryStorage"
Cache = Annotated[str, "`internalCache` holds the tokens; `memoryStorage` is always empty here."]


@admin.action(POST("/admin/_resetSecurity"), raises=[errors.ActionLocked, errors.DevOnly])
async def reset_security(services: Services) -> dict[str, int]:
    """Delete all users, profiles and roles, and open the base ones; with `--dev` only."""
    return await services.resets.security()


@admin.action(POST("/admin/_resetDatabase"), raises=[errors.ActionLocked, errors.DevOnly])
async def reset_database(services: Services) -> dict[str, bool]:
    """Forget all indexes and collections that were declared; with `--dev` only."""
    await services.resets.database()
    return ACKNOWLEDGED


@admin.action(POST("/admin/_resetCache"), raises=[errors.CacheNotFound])
async def reset_cache(services: Services, database: Cache) -> dict[str, bool]:
    """End every session of every user, the caller's included, and every login under way; API keys stay."""
    if database not in (TOKENS, NOTHING):
        raise errors.CacheNotFound(database)
    if database == TOKENS:
        await services.tokens.revoke_everyone()
    return ACKNOWLEDGED


@admin.action(POST("/admin/_refreshIndexCache"))
async def refresh_index_cache() -> None:
    """Do nothing: what is declared is known to every process at once."""


@admin.action(POST("/admin/_shutdown/"), raises=[errors.ActionLocked])
async def shutdown(services: Services) -> dict[str, bool]:
    """Stop the server, all its processes, as soon as this is answered."""
    await services.shutdown.begin()
    return ACKNOWLEDGED
