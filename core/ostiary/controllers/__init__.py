"""The API: one module per resource; several may declare on the same controller name."""

from __future__ import annotations

from ostiary.controllers.admin import admin
from ostiary.controllers.auth import auth
from ostiary.controllers.server import server
from ostiary.controllers.users import security

# Declaring happens on import.
from ostiary.controllers import credentials, my_credentials, sessions  # isort: skip

CONTROLLERS = (admin, auth, security, server)
__all__ = ["CONTROLLERS", "credentials", "my_credentials", "sessions"]
