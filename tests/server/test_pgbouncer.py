"""Behind a real PgBouncer that gives each transaction another connection, as the guide says."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from ostiary.testing.pgbouncer import PgBouncerMissing, ThrowAwayPgBouncer
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

from .conftest import ADMIN, ROOMY

if TYPE_CHECKING:
    from .conftest import Database, Serve

GUIDE = Path(__file__).parents[2] / "docs" / "postgresql.md"
PASSWORD = "correct horse battery staple"
PATIENCE = 15.0
CLIENTS = 16


@pytest.fixture(scope="module")
def database(make_ready: Callable[[], Database]) -> Database:
    """A database that lets PgBouncer in."""
    made = make_ready()
    made.run_script(block("sql").replace("DATABASE ostiary", f"DATABASE {made.name}"))
    return made


@pytest.fixture(scope="module")
def pooler(
    database: Database, missing: Callable[[str, str], NoReturn]
) -> Iterator[ThrowAwayPgBouncer]:
    """Fewer connections than there are clients: they have to be shared."""
    settings = (
        block("ini", after="## Behind PgBouncer")
        .replace("ostiary = host=db.example.org", f"{database.name} = host=127.0.0.1")
        .replace("port=5432", f"port={database.server.port}")
        .replace("default_pool_size = 10", "default_pool_size = 2")
    )
    try:
        pooler = ThrowAwayPgBouncer(settings, '"pgbouncer" "secret of pgbouncer"\n')
    except PgBouncerMissing as reason:
        missing("PgBouncer", str(reason))
    with pooler:
        yield pooler


@pytest.fixture(scope="module", params=["listening", "reading through"])
def pair(
    request: pytest.FixtureRequest,
    database: Database,
    pooler: ThrowAwayPgBouncer,
    start_server: Serve,
) -> list[ThrowAwayServer]:
    """Two servers that know of each other only by the database."""
    settings = f"{ROOMY}\n[database]\npreparedStatements = false\n"
    if request.param == "listening":
        settings += f'listenUrl = "{database.url}"\n'
    url = f"postgresql://127.0.0.1:{pooler.port}/{database.name}"
    return [
        start_server(database=url, settings=settings, environment=database.environment)
        for _ in range(2)
    ]


@pytest.fixture(scope="module")
def admin(pair: list[ThrowAwayServer], administer: Callable[[HttpApi], str]) -> str:
    with closing(HttpApi(pair[0].port)) as api:
        # The second pair finds the stores of the first.
        signed_in = api.call("auth:login", ADMIN, strategy="local")
        return str(signed_in.result["jwt"]) if signed_in.status == 200 else administer(api)


def test_many_share_few_connections(pair: list[ThrowAwayServer], admin: str) -> None:
    """Decision 22: nobody gets the statement, the transaction or the settings of another."""

    def live(number: int) -> None:
        here, there = pair[number % 2], pair[(number + 1) % 2]
        with closing(HttpApi(here.port)) as api, closing(HttpApi(there.port)) as other:
            for turn in range(2):
                name = f"user-{here.port}-{number}-{turn}"
                body = {
                    "content": {"profileIds": ["default"], "turn": turn},
                    "credentials": {"local": {"username": name, "password": PASSWORD}},
                }
                made = ask(api, "security:createUser", body, jwt=admin, _id=name)
                assert made["_id"] == name
                login = {"username": name, "password": PASSWORD}
                token = ask(api, "auth:login", login, strategy="local")["jwt"]
                assert ask(other, "auth:getCurrentUser", jwt=token)["_id"] == name
                found = ask(other, "security:searchUsers", {"query": {}}, jwt=admin, size=2)
                assert len(found["hits"]) == 2
                assert ask(other, "auth:updateSelf", {"turn": -1}, jwt=token)["_id"] == name
                ask(api, "auth:logout", jwt=token)
                deadline = time.monotonic() + 1
                while other.call("auth:getCurrentUser", jwt=token).status == 200:
                    assert time.monotonic() < deadline, "revoked on one, accepted by the other"

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(live, range(CLIENTS)))


def test_a_pooler_that_is_restarted_is_found_again(
    pair: list[ThrowAwayServer], admin: str, pooler: ThrowAwayPgBouncer
) -> None:
    """REL-03."""
    with closing(HttpApi(pair[0].port)) as api:
        pooler.stop()
        try:
            assert api.call("security:searchUsers", {}, jwt=admin).status == 503
            assert api.send("GET", "/_ready").status == 503
        finally:
            pooler.start()
        deadline = time.monotonic() + PATIENCE
        while api.send("GET", "/_ready").status != 200:
            assert time.monotonic() < deadline
        assert ask(api, "security:searchUsers", {}, jwt=admin)["total"]


def test_what_pgbouncer_may_ask_is_no_more_than_it_needs(database: Database) -> None:
    may = "has_function_privilege('pgbouncer', 'pgbouncer.verifier(text)', 'EXECUTE')"
    assert database.query(f"SELECT {may}") == [(True,)]
    every = "SELECT count(*) FROM pgbouncer.verifier({})"
    assert database.query(every.format("'ostiary_core'")) == [(1,)]
    for other in ("postgres", "ostiary_migrator", "pgbouncer"):
        assert database.query(every.format(f"'{other}'")) == [(0,)]


def ask(
    api: HttpApi, name: str, body: object = None, *, jwt: str | None = None, **args: object
) -> dict[str, Any]:
    """Return the result, even if it takes several attempts: few connections are a queue."""
    deadline = time.monotonic() + PATIENCE
    while (outcome := api.call(name, body, jwt=jwt, **args)).status == 503:
        assert time.monotonic() < deadline, outcome.body
        time.sleep(0.05)
    assert outcome.status == 200, outcome.body
    result: dict[str, Any] = outcome.result
    return result


def block(language: str, after: str = "## Behind PgBouncer") -> str:
    """Return the first block of the guide in a language, after a heading."""
    text = GUIDE.read_text(encoding="utf-8").partition(after)[2]
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the guide has no {language}"
    return found[1]
