"""The API: one module per resource; several may declare on the same controller name."""

from __future__ import annotations

from ostiary.controllers.auth import auth
from ostiary.controllers.server import server
from ostiary.controllers.users import security

# Declaring happens on import.
from ostiary.controllers import (  # isort: skip
    api_keys,
    credentials,
    disabling,
    my_api_keys,
    my_credentials,
    open_sessions,
    sessions,
)

CONTROLLERS = (auth, security, server)
__all__ = [
    "CONTROLLERS",
    "api_keys",
    "credentials",
    "disabling",
    "my_api_keys",
    "my_credentials",
    "open_sessions",
    "sessions",
]
