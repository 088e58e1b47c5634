"""Stores: one for the core, one for each plugin, none of which sees another."""

from __future__ import annotations

from ostiary.storage.store import Database, Storage, Store

__all__ = ["Database", "Storage", "Store"]
