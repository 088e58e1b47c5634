"""What authors of plugins import."""

from __future__ import annotations

import gc

# Nothing of what is imported goes away again. To look for garbage in it, again and again while it
# grows, takes a sixth of the time.
_collecting = gc.isenabled()
gc.disable()

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, PUT, Controller, Route
from ostiary.arguments import Duration
from ostiary.commands import Command, CommandError, Enrolled, Recruit, Workplace
from ostiary.declarations import fault_of, fault_of_fields
from ostiary.directory import Directory
from ostiary.events import (
    ActionRefused,
    ActionRun,
    ApiKeyCreated,
    ApiKeyDeleted,
    CredentialsChanged,
    CredentialsCreated,
    CredentialsDeleted,
    Event,
    LoginsReleased,
    MasterKeyRotated,
    PluginDisabled,
    PluginEnabled,
    PluginRemoved,
    PluginRestored,
    ProfileChanged,
    ProfileDeleted,
    ReauthenticationRefused,
    Refusal,
    RightsRestricted,
    RoleChanged,
    RoleDeleted,
    SecurityReset,
    SessionsEnded,
    SignedIn,
    SignedOut,
    SigningKeyRotated,
    SignInHeldBack,
    SignInRefused,
    TokenCreated,
    TokenRefreshed,
    UserChanged,
    UserCreated,
    UserDeleted,
    UserDisabled,
    UserEnabled,
    UserProfilesChanged,
)
from ostiary.fields import CredentialField, Each, Form, Kind
from ostiary.filters import Field, Filter, Leaf, OneOf, Order, Prefix, Words, leaves
from ostiary.hookspecs import hookimpl
from ostiary.networks import network
from ostiary.request import Reply
from ostiary.seals import SealBroken
from ostiary.settings import SettingsError, read_settings
from ostiary.settings.kinds import Folder, Lifetime, Span
from ostiary.storage import Database, Prepared, Storage
from ostiary.storage import OwnStore as Store
from ostiary.storage.conditions import combined, condition
from ostiary.storage.sealed import Sealed
from ostiary.strategies import (
    Call,
    Challenge,
    Factor,
    FoundCredentials,
    Newcomer,
    Redirect,
    Strategy,
    User,
    Verdict,
    Verified,
    mark,
    text_field,
)

__all__ = [
    "DELETE",
    "GET",
    "POST",
    "PUT",
    "ActionRefused",
    "ActionRun",
    "ApiKeyCreated",
    "ApiKeyDeleted",
    "Call",
    "Challenge",
    "Command",
    "CommandError",
    "Controller",
    "CredentialField",
    "CredentialsChanged",
    "CredentialsCreated",
    "CredentialsDeleted",
    "Database",
    "Directory",
    "Duration",
    "Each",
    "Enrolled",
    "Event",
    "Factor",
    "Field",
    "Filter",
    "Folder",
    "Form",
    "FoundCredentials",
    "Kind",
    "Leaf",
    "Lifetime",
    "LoginsReleased",
    "MasterKeyRotated",
    "Newcomer",
    "OneOf",
    "Order",
    "PluginDisabled",
    "PluginEnabled",
    "PluginRemoved",
    "PluginRestored",
    "Prefix",
    "Prepared",
    "ProfileChanged",
    "ProfileDeleted",
    "ReauthenticationRefused",
    "Recruit",
    "Redirect",
    "Refusal",
    "Reply",
    "RightsRestricted",
    "RoleChanged",
    "RoleDeleted",
    "Route",
    "SealBroken",
    "Sealed",
    "SecurityReset",
    "SessionsEnded",
    "SettingsError",
    "SignInHeldBack",
    "SignInRefused",
    "SignedIn",
    "SignedOut",
    "SigningKeyRotated",
    "Span",
    "Storage",
    "Store",
    "Strategy",
    "TokenCreated",
    "TokenRefreshed",
    "User",
    "UserChanged",
    "UserCreated",
    "UserDeleted",
    "UserDisabled",
    "UserEnabled",
    "UserProfilesChanged",
    "Verdict",
    "Verified",
    "Words",
    "Workplace",
    "combined",
    "condition",
    "errors",
    "fault_of",
    "fault_of_fields",
    "hookimpl",
    "leaves",
    "mark",
    "network",
    "read_settings",
    "text_field",
]
__version__ = "0.1.0"

if _collecting:
    gc.enable()
