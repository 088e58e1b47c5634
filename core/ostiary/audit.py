"""The audit log: who signed in or tried to, and who changed what (ASVS 16.3).

It says nothing of what was sent but the id that an action was about.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from ostiary import errors
from ostiary.actions import Action
from ostiary.log import legible
from ostiary.request import Reply, Request

logger = logging.getLogger("ostiary.audit")

READING = re.compile("get|mGet|search|scroll|check|has|validate|credentialsExist|exists|list")
"""How the names of actions begin that change nothing."""

ABOUT_NOBODY = {"server", "realtime", "index", "collection"}
"""Controllers of which no action concerns a user or their rights."""


def is_noted(action: Action) -> bool:
    """Tell whether an action is written to the log."""
    return action.controller not in ABOUT_NOBODY and not READING.match(action.name)


def done(request: Request, value: Any) -> None:
    """Write that an action was run."""
    content = value.value if isinstance(value, Reply) else value
    made = content.get("_id") if isinstance(content, dict) else None
    _write(request, "done", made)


def refused(request: Request, error: errors.OstiaryError) -> None:
    """Write that an action was refused, or has failed."""
    _write(request, error.id, None)


def _write(request: Request, outcome: str, made: Any) -> None:
    about = made if isinstance(made, str) else request.args.get("_id")
    logger.info(
        "%s:%s %s by %s about %s from %s over %s in request %s",
        request.controller,
        request.action,
        outcome,
        legible(request.kuid),
        legible(about) if isinstance(about, str) else "-",
        legible(request.connection.address),
        request.connection.protocol,
        legible(request.id),
    )
