"""A process that dies while it creates users: ``python -m ostiary.testing.crashing``.

It reads from standard input where the stores are and what to create, does what
the core does until just before it would make the users true, and kills itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

from ostiary.startup import opened
from ostiary.strategies import User
from ostiary.testing.trial import CALL, Options

VALIDATED, CREATED = "trial-validated", "trial-created"


async def create_and_die(told: dict[str, Any]) -> None:
    """Validate the credentials of two users, create those of one, and die (SIGKILL)."""
    options, name = Options(told["overrides"], told["environment"]), told["strategy"]
    async with opened(options.load()) as core:
        services = core.services
        for kuid, credentials in ((VALIDATED, told["validated"]), (CREATED, told["created"])):
            await services.journal.reserve_user(kuid, [name])
            await services.strategies.validate(name, User(kuid=kuid), credentials, CALL)
        await services.strategies.create(name, CREATED, told["created"], CALL)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(create_and_die(json.load(sys.stdin)))
