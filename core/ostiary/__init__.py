"""What authors of plugins import."""

from __future__ import annotations

from ostiary import errors
from ostiary.hookspecs import hookimpl
from ostiary.settings import SettingsError, read_settings
from ostiary.storage import Storage, Store
from ostiary.strategies import (
    Call,
    Directory,
    Newcomer,
    Redirect,
    Strategy,
    User,
    Verdict,
    Verified,
    text_field,
)

__all__ = [
    "Call",
    "Directory",
    "Newcomer",
    "Redirect",
    "SettingsError",
    "Storage",
    "Store",
    "Strategy",
    "User",
    "Verdict",
    "Verified",
    "errors",
    "hookimpl",
    "read_settings",
    "text_field",
]
__version__ = "0.1.0"
