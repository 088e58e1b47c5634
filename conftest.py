"""Fixtures of every test here: the event loop, and what to do when a part of the machine is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
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


@pytest.fixture(scope="session")
def node(missing: Callable[[str, str], NoReturn]) -> str:
    """The program that runs JavaScript without a browser; npm is beside it."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        missing("Node.js with npm", "apt-get install nodejs npm")
    return found


@pytest.fixture(scope="session")
def cached() -> Callable[[str, Path, Callable[[Path], None]], Path]:
    """Return a function that gives a folder with what the files of another list.

    It is made once on this machine; many may make it at once: one is the first, and the others
    use that one's. Arguments: its name, the folder with the lists, and what installs into it.
    """

    def give(name: str, wanted: Path, install: Callable[[Path], None]) -> Path:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ostiary-tests"
        digest = sha256(b"".join(file.read_bytes() for file in sorted(wanted.glob("*.*"))))
        folder = caches / f"{name}-{digest.hexdigest()[:12]}"
        if folder.is_dir():
            return folder
        caches.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=caches) as draft:
            made = Path(draft) / "made"
            made.mkdir()
            install(made)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
        return folder

    return give


@pytest.fixture(scope="session")
def from_npm(
    node: str,
    cached: Callable[[str, Path, Callable[[Path], None]], Path],
    missing: Callable[[str, str], NoReturn],
) -> Callable[[str, Path], Path]:
    """Return a function that installs what the lock file of a folder lists.

    It gives a folder with the files of that one and with ``node_modules``, named as is said: a
    program finds its packages beside it.
    """

    def give(name: str, source: Path) -> Path:
        def install(draft: Path) -> None:
            for file in source.iterdir():
                shutil.copy(file, draft)
            command = ["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(draft)]
            subprocess.run(command, capture_output=True, text=True, check=True)

        try:
            return cached(name, source, install)
        except subprocess.CalledProcessError as reason:
            missing(f"{name} ({reason.stderr.strip()[-300:]})", "a way to npm's registry")

    return give


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
