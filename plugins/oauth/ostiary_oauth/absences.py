"""Paths of ``persist`` that lead nowhere, such as those of passport's profiles."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from ostiary_oauth.attributes import MISSING, value_at
from ostiary_oauth.strategy import OAuthStrategy

MOST = 40
"""Names that a line of the log has at most."""

NAME = re.compile(r"[\w:/.-]{1,64}", re.ASCII)

logger = logging.getLogger(__name__)


def tell(strategy: OAuthStrategy, claims: Mapping[str, Any]) -> None:
    """Tell the operator, once for each path, that a profile has nothing there, and what it has."""
    for path in strategy.provider.persist:
        mark = f"persist {path}"
        if value_at(claims, path) is MISSING and mark not in strategy.told:
            strategy.told.add(mark)
            names = sorted(name for name in claims if NAME.fullmatch(name))[:MOST]
            logger.info(
                "plugins.oauth.strategies.%s.persist: a profile has no %s; it has %s",
                strategy.name,
                path,
                ", ".join(names),
            )
