"""Fixtures of every test here: the event loop, and what to do when a part of the machine is missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is the machine's affair.
settings.register_profile("ostiary", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ostiary")

REQUIRE_ALL = "OSTIARY_REQUIRE_ALL"

collect_ignore = ["plugins/template"]
"""Its tests are those of a plugin that is not there before it is baked."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, the event loop of the server."""
    return "asyncio"


@pytest.fixture(scope="session")
def missing() -> Callable[[str, str], NoReturn]:
    """Return a function that ends a test for which this machine lacks a part.

    It skips with a reason and how to get the part, and fails where nothing may
    be skipped: ``OSTIARY_REQUIRE_ALL=1``, which CI sets::

        if shutil.which("node") is None:
            missing("Node.js", "apt-get install nodejs npm")
    """

    def end(part: str, remedy: str) -> NoReturn:
        sentence = f"{part} is missing; to have it: {remedy}"
        if os.environ.get(REQUIRE_ALL) == "1":
            pytest.fail(f"{sentence} ({REQUIRE_ALL}=1 forbids to skip)")
        pytest.skip(sentence)

    return end
