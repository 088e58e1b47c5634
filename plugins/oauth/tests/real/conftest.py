"""Providers that others have written, as they come from their registries, and a browser.

Several sites, as in life: the server is ``localhost``, the providers are ``127.0.0.1``, and the
pages of the application are beside the server (another port of ``localhost``, which browsers call
the same site) or elsewhere (``127.0.0.1``, another site).
"""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser

from .visitors import Visitor
from .world import Parts, World, opened

HERE = Path(__file__).parent
Missing = Callable[[str, str], NoReturn]
Cached = Callable[[str, Path, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def npm_folder(from_npm: Callable[[str, Path], Path]) -> Path:
    """The folder with oidc-provider and the SDK, installed at the first run on this machine."""
    return from_npm("oidc-provider", HERE / "oidc-provider")


@pytest.fixture(scope="session")
def canaille(missing: Missing, cached: Cached) -> str:
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


def run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True)
