"""The API: one module per resource; several may declare on the same controller name."""

from __future__ import annotations

from ostiary.controllers.admin import admin
from ostiary.controllers.auth import auth
from ostiary.controllers.collections import collection
from ostiary.controllers.indexes import index
from ostiary.controllers.realtime import realtime
from ostiary.controllers.server import server
from ostiary.controllers.users import security

# Declaring happens on import.
from ostiary.controllers import (  # isort: skip
    api_keys,
    audit,
    credentials,
    disabling,
    fixtures,
    held_back,
    holding,
    mappings,
    my_api_keys,
    my_credentials,
    my_rights,
    my_searches,
    open_sessions,
    previews,
    profiles,
    rights,
    roles,
    searches,
    sessions,
    user_records,
)

CONTROLLERS = (admin, auth, security, server, index, collection, realtime)
__all__ = [
    "CONTROLLERS",
    "api_keys",
    "audit",
    "credentials",
    "disabling",
    "fixtures",
    "held_back",
    "holding",
    "mappings",
    "my_api_keys",
    "my_credentials",
    "my_rights",
    "my_searches",
    "open_sessions",
    "previews",
    "profiles",
    "rights",
    "roles",
    "searches",
    "sessions",
    "user_records",
]
