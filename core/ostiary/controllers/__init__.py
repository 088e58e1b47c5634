"""The API: one module per resource; several may declare on the same controller name."""

from __future__ import annotations

from ostiary.controllers.auth import auth
from ostiary.controllers.collections import collection
from ostiary.controllers.indexes import index
from ostiary.controllers.realtime import realtime
from ostiary.controllers.server import server
from ostiary.controllers.users import security

# Declaring happens on import.
from ostiary.controllers import (  # isort: skip
    credentials,
    mappings,
    my_credentials,
    my_rights,
    profiles,
    rights,
    roles,
    sessions,
    user_records,
)

CONTROLLERS = (auth, security, server, index, collection, realtime)
__all__ = [
    "CONTROLLERS",
    "credentials",
    "mappings",
    "my_credentials",
    "my_rights",
    "profiles",
    "rights",
    "roles",
    "sessions",
    "user_records",
]
