"""The API: one module per resource; several may declare on the same controller name."""

from __future__ import annotations

from ostiary.controllers.auth import auth
from ostiary.controllers.realtime import realtime
from ostiary.controllers.server import server
from ostiary.controllers.users import security

# Declaring happens on import.
from ostiary.controllers import credentials, my_credentials, sessions  # isort: skip

CONTROLLERS = (auth, realtime, security, server)
__all__ = ["CONTROLLERS", "credentials", "my_credentials", "sessions"]
