"""The real JavaScript SDK, from npm and in Node, signs in."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from .conftest import Connect, Serve

PACKAGE = "kuzzle-sdk@7.17"
SCRIPT = Path(__file__).with_name("login.js")
EXPIRY = Path(__file__).with_name("expiry.js")


@pytest.fixture(scope="session")
def node(missing: Callable[[str, str], NoReturn]) -> str:
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        missing("Node.js with npm", "apt-get install nodejs npm")
    return found


@pytest.fixture(scope="session")
def sdk(node: str, missing: Callable[[str, str], NoReturn]) -> Path:
    """The folder of modules that holds the SDK, installed at the first run on this machine."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ostiary-tests"
    modules = caches / PACKAGE / "node_modules"
    if modules.is_dir():
        return modules
    caches.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=caches) as draft:
        command = ["npm", "install", "--prefix", draft, "--no-audit", "--no-fund", PACKAGE]
        installed = subprocess.run(command, capture_output=True, text=True, check=False)
        if installed.returncode != 0:
            missing(f"{PACKAGE} ({installed.stderr.strip()[-300:]})", "a way to npm's registry")
        modules.parent.mkdir(exist_ok=True)
        Path(draft, "node_modules").rename(modules)
    return modules


@pytest.mark.parametrize("protocol", ["WebSocket", "Http"])
def test_the_sdk_logs_in_and_out(
    protocol: str, node: str, sdk: Path, serve: Serve, connect: Connect
) -> None:
    server = serve(dev=True)
    credentials = {"local": {"username": "ann", "password": "secret"}}
    user = {"content": {"profileIds": ["default"]}, "credentials": credentials}
    assert connect(server).call("security:createUser", user, _id="ann").status == 200
    run = subprocess.run(
        [node, SCRIPT, protocol, str(server.port), "ann", "secret"],
        env={**os.environ, "NODE_PATH": str(sdk)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == [
        "before: false",
        "logged in: true",
        "user: ann default",
        "logged out: true",
        "token still valid: false",
    ]


def test_the_sdk_hears_that_its_token_has_expired(
    node: str, sdk: Path, serve: Serve, connect: Connect
) -> None:
    """WS-12: at the end of the token that has replaced its first one."""
    server = serve(dev=True)
    credentials = {"local": {"username": "ann", "password": "secret"}}
    user = {"content": {"profileIds": ["default"]}, "credentials": credentials}
    assert connect(server).call("security:createUser", user, _id="ann").status == 200
    run = subprocess.run(
        [node, EXPIRY, str(server.port), "ann", "secret"],
        env={**os.environ, "NODE_PATH": str(sdk)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == [
        "subscribers: 1",
        "expired, still signed in: false",
        "still connected: true",
        "signed in again: true",
    ]
