"""Servers to talk to: one as ``--dev`` makes it, one closed; their users; what tests ask of them."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ostiary import operations
from ostiary.settings import Settings
from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started
from ostiary.testing.wire import Api, HttpApi

from .sites import Person, Site, grant, settings_of, site
from .world import Asked, World

DATA = Path(__file__).parent / "data"
MAIL = {
    "host": "127.0.0.1",
    "port": 9,
    "security": "none",
    "from": "Wire <wire@mail.example>",
    "resetUrl": "https://app.example/reset",
    "verifyUrl": "https://app.example/verify",
}
"""Mail that waits: nobody listens at this port."""


@pytest.fixture(scope="session")
def postgresql(missing: Callable[[str, str], NoReturn]) -> Iterator[ThrowAwayPostgreSQL]:
    """One server for all databases of these tests."""
    with started(missing) as running:
        yield running


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Where servers keep their stores; what depends on it is tested on each."""
    return str(request.param)


@pytest.fixture(scope="session")
def settings_here(
    request: pytest.FixtureRequest, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Settings]:
    """Make settings, as ``settings`` does, for a server with empty stores in this database."""
    # The roles of a server of PostgreSQL belong to all its databases, and so must the key.
    key = secrets.token_hex(32)

    def make(name: str, **changes: Any) -> Settings:
        folder = tmp_path_factory.mktemp(name)
        if database == "sqlite":
            return settings_of(folder, **changes)
        server: ThrowAwayPostgreSQL = request.getfixturevalue("postgresql")
        empty = asyncio.run(server.create_database())
        made = settings_of(folder, key=key, **{**changes, "database__url": server.url(empty)})
        asyncio.run(operations.provision(made, server.admin_url(empty)))
        asyncio.run(operations.upgrade(made, None))
        return made

    return make


@pytest.fixture(scope="session")
def closed(settings_here: Callable[..., Settings]) -> Iterator[Site]:
    """A server as it is by default, without limits on how often one may ask."""
    with site(settings_here("closed")) as running:
        yield running


@pytest.fixture(scope="session")
def dev(settings_here: Callable[..., Settings]) -> Iterator[Site]:
    """A server of ``--dev``, in which everybody may do everything."""
    with site(settings_here("dev", dev=True)) as running:
        yield running


@pytest.fixture(scope="session")
def workshop(settings_here: Callable[..., Settings]) -> Iterator[Site]:
    """A closed server where nobody but its first administrator is one."""
    with site(settings_here("workshop", **{"plugins__<name>__local__mail": MAIL})) as running:
        yield running


@pytest.fixture
def world(workshop: Site) -> Iterator[World]:
    world = World(workshop)
    with world.stack:
        yield world


@pytest.fixture(scope="session")
def world_of() -> Callable[[Site], World]:
    """Make what requests name on a server of one's own, for requests that change nothing."""
    lasting = cache(World)
    return lambda site: World(site, lasting(site))


@pytest.fixture(scope="session")
def asked() -> Callable[..., Asked]:
    """Make the request of an action that succeeds, from ``data/requests.json``, with changes."""
    known = json.loads((DATA / "requests.json").read_text(encoding="utf-8"))

    def make(name: str, **changes: Any) -> Asked:
        return Asked(name, **{**known[name], **changes})

    return make


@pytest.fixture(scope="session")
def new_site() -> Callable[[Settings], Any]:
    """Serve with settings of one's own."""
    return site


@pytest.fixture(scope="session")
def mail() -> Mapping[str, Any]:
    """The table of mail that waits."""
    return MAIL


@pytest.fixture(scope="session")
def settings() -> Callable[..., Settings]:
    """Make settings for a server of tests; ``security__authToken__maxTTL="1h"`` changes one."""
    return settings_of


@pytest.fixture(scope="session")
def prepare_rights() -> Callable[..., Any]:
    """Write roles and profiles before a server starts."""
    return grant


@pytest.fixture(params=["http", "websocket"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api(closed: Site, protocol: str) -> Iterator[Api]:
    """The closed server, over each protocol in turn."""
    with closing(closed.open(protocol)) as api:
        yield api


@pytest.fixture
def http(closed: Site) -> Iterator[HttpApi]:
    """The closed server over HTTP, on a connection of its own."""
    with closing(HttpApi(closed.port)) as http:
        yield http


@pytest.fixture(scope="session")
def member(closed: Site) -> Person:
    """Somebody with the actions of ``auth``; tests leave them as they are."""
    return closed.person("member", name="Member")


@pytest.fixture(scope="session")
def plain(closed: Site) -> Person:
    """Somebody with the default profile alone."""
    return closed.person("default")
