"""The life of a plugin, as an operator leads it: listed, disabled, upgraded, removed, restored."""

from __future__ import annotations

from ostiary.life.listing import list_plugins
from ostiary.life.removing import Removal, remove
from ostiary.life.restoring import restore
from ostiary.life.switching import Prospect, disable, enable, examine, upgrade

__all__ = [
    "Prospect",
    "Removal",
    "disable",
    "enable",
    "examine",
    "list_plugins",
    "remove",
    "restore",
    "upgrade",
]
