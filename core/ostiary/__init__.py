"""What authors of plugins import."""

from __future__ import annotations

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, PUT, Controller, Route
from ostiary.arguments import Duration
from ostiary.filters import Field, Filter, OneOf, Order, Prefix, Words, leaves
from ostiary.hookspecs import hookimpl
from ostiary.request import Reply
from ostiary.settings import SettingsError, read_settings
from ostiary.storage import OwnStore as Store
from ostiary.storage import Storage
from ostiary.storage.conditions import condition
from ostiary.storage.sealed import Sealed
from ostiary.strategies import (
    Call,
    Challenge,
    CredentialField,
    Directory,
    Factor,
    FoundCredentials,
    Kind,
    Newcomer,
    Redirect,
    Strategy,
    User,
    Verdict,
    Verified,
    text_field,
)

__all__ = [
    "DELETE",
    "GET",
    "POST",
    "PUT",
    "Call",
    "Challenge",
    "Controller",
    "CredentialField",
    "Directory",
    "Duration",
    "Factor",
    "Field",
    "Filter",
    "FoundCredentials",
    "Kind",
    "Newcomer",
    "OneOf",
    "Order",
    "Prefix",
    "Redirect",
    "Reply",
    "Route",
    "Sealed",
    "SettingsError",
    "Storage",
    "Store",
    "Strategy",
    "User",
    "Verdict",
    "Verified",
    "Words",
    "condition",
    "errors",
    "hookimpl",
    "leaves",
    "read_settings",
    "text_field",
]
__version__ = "0.1.0"
