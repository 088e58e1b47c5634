"""Stores: one for the core, one for each plugin, none of which sees another."""

from __future__ import annotations

from ostiary.storage.prepared import Prepared
from ostiary.storage.store import (
    Backend,
    Database,
    OwnStore,
    Presence,
    Storage,
    StorageError,
    Store,
    Watch,
)

__all__ = [
    "Backend",
    "Database",
    "OwnStore",
    "Prepared",
    "Presence",
    "Storage",
    "StorageError",
    "Store",
    "Watch",
]
