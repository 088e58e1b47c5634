"""Which actions the audit log tells of, and what an adapter's request tells of its origin.

What an action has changed is told by the service that changes it, as an event (ASVS 16.3).
"""

from __future__ import annotations

import re
from typing import Any

from ostiary.acting import Source
from ostiary.actions import Action
from ostiary.events import ActionRun
from ostiary.log import sanitized
from ostiary.request import Reply, Request

READING = re.compile(
    "get|mGet|search|scroll|check|has|validate|credentialsExist|exists|list|refresh(?!Token)|"
    "describe|explain|preview"
)
"""How the names of actions begin that change nothing."""

ABOUT_NOBODY = {"server", "realtime", "index", "collection"}
"""Controllers of which no action concerns a user or their rights."""


def is_noted(action: Action) -> bool:
    """Tell whether an action is written to the log."""
    reading = READING.match(action.name) and not action.noted
    return action.controller not in ABOUT_NOBODY and not reading


def source_of(request: Request) -> Source:
    """Return where a request comes from, as events tell it."""
    connection = request.connection
    return Source(
        author=None if request.session is None else request.kuid,
        protocol=connection.protocol,
        address=connection.address,
        agent=connection.header("user-agent") or "",
        request=request.id,
    )


def run(request: Request, value: Any) -> ActionRun:
    """Return the event of an action that no other event tells of."""
    content = value.value if isinstance(value, Reply) else value
    made = content.get("_id") if isinstance(content, dict) else None
    about = sanitized(made) if isinstance(made, str) else target_of(request)
    return ActionRun(action=name_of(request), target=about)


def target_of(request: Request) -> str | None:
    """Return what a request says that it is about; a client may have put anything there."""
    about = request.args.get("_id")
    return sanitized(about) if isinstance(about, str) else None


def name_of(request: Request) -> str:
    """Return the name of an action that exists."""
    return f"{request.controller}:{request.action}"
