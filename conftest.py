"""Fixtures of every test here: the event loop, and what to do when a part of the machine is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is the machine's affair.
settings.register_profile("ostiary", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ostiary")

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REQUIRE_ALL = "OSTIARY_REQUIRE_ALL"

OWN_HOSTS = "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
"""What a browser may reach: no test leaves this machine, whatever a page asks for."""

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


@pytest.fixture(scope="module")
def browser(missing: Callable[[str, str], NoReturn]) -> Iterator[Browser]:
    """A browser without a window; each of its contexts is a visitor of their own."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        missing("Chromium", "apt-get install chromium")
    arguments = ["--no-sandbox", f"--host-resolver-rules={OWN_HOSTS}"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=arguments)
        yield opened
        opened.close()
