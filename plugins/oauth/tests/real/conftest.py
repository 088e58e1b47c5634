"""Providers that others have written, as they come from their registries, and a browser.

Several sites, as in life: the server is ``localhost``, the providers are ``127.0.0.1``, and the
pages of the application are beside the server (another port of ``localhost``, which browsers call
the same site) or elsewhere (``127.0.0.1``, another site).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser

from .visitors import Visitor
from .world import Parts, World, opened

HERE = Path(__file__).parent
Missing = Callable[[str, str], NoReturn]


@pytest.fixture(scope="session")
def node(missing: Missing) -> str:
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        missing("Node.js with npm", "apt-get install nodejs npm")
    return found


@pytest.fixture(scope="session")
def npm_folder(node: str, missing: Missing) -> Path:
    """The folder with oidc-provider and the SDK, installed at the first run on this machine."""
    source = HERE / "oidc-provider"

    def install(draft: Path) -> None:
        # A program finds its packages beside it, so it goes where they are.
        for file in source.iterdir():
            shutil.copy(file, draft)
        run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(draft)])

    try:
        folder = cached("oidc-provider", source, install)
    except subprocess.CalledProcessError as reason:
        missing(f"oidc-provider ({reason.stderr.strip()[-300:]})", "a way to npm's registry")
    return folder


@pytest.fixture(scope="session")
def canaille(missing: Missing) -> str:
    """The Python of an environment with Canaille, which needs other versions than we do."""
    wanted = HERE / "canaille" / "requirements.txt"

    def install(draft: Path) -> None:
        venv.create(draft / "venv", symlinks=True)
        python = str(draft / "venv" / "bin" / "python")
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
        run([*pip, "-r", str(wanted)])

    version = f"canaille-py{sys.version_info.major}{sys.version_info.minor}"
    try:
        folder = cached(version, wanted.parent, install)
    except subprocess.CalledProcessError as reason:
        missing(f"Canaille ({reason.stderr.strip()[-300:]})", "a way to PyPI")
    return str(folder / "venv" / "bin" / "python")


@pytest.fixture(scope="session")
def parts(node: str, npm_folder: Path, canaille: str) -> Parts:
    """What a world is made of, besides us."""
    return Parts(node, npm_folder, canaille)


@pytest.fixture(scope="module")
def world(parts: Parts) -> Iterator[World]:
    """Servers that the tests of a module share."""
    with opened(parts) as everything:
        yield everything


@pytest.fixture
def visitors(world: World, browser: Browser) -> Iterator[Callable[[], Visitor]]:
    """Make visitors who know nothing of each other."""
    with world.told(), ExitStack() as stack:
        yield lambda: Visitor(world, stack.enter_context(closing(browser.new_context())))


@pytest.fixture
def visitor(visitors: Callable[[], Visitor]) -> Visitor:
    return visitors()


def cached(name: str, wanted: Path, install: Callable[[Path], None]) -> Path:
    """Return a folder that holds what the files of another list; it is made once on this machine.

    Many may make it at once: one is the first, and the others use that one's.
    """
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


def run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True)
