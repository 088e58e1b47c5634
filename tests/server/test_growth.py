"""Growth: what a server costs with many users and tokens, as far as it can be told with few."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ostiary.settings import Settings, load
from ostiary.storage import sqlite_files
from ostiary.testing.wire import HttpApi, serving

from .conftest import SETUP_SECRET

ANN = {"username": "ann", "password": "correct horse battery staple"}
OLD = 1
"""An instant long ago."""

SMALL = {
    "profiles", "roles", "signing_keys", "journal", "instances", "installation", "plugins",
    "mappings", "places", "master_keys", "alembic_version", "sqlite_schema", "CONSTANT",
    "counted", "newest",
}  # fmt: skip
"""Tables that do not grow with the users, and parts of statements that are limited."""

ADMITTED = re.compile(
    # One row of an index, which SQLite calls a scan all the same; of accounts from elsewhere only.
    r"ORDER BY sequence DESC\s+LIMIT 1|hash IS NOT NULL.*imported IS NOT NULL.*LIMIT 1"
    # Once an hour while a key is retired, beside everybody.
    r"|signing_keys\.retired_at <",
    re.DOTALL,
)

Statements = dict[str, set[str]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of a server whose setup secret is known, with stores in the test's folder."""
    return load(
        config=None,
        environment={"OSTIARY_SETUP_SECRET": SETUP_SECRET},
        overrides={"data.dir": str(tmp_path / "data")},
    )


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """Every statement that is run from here on, by the file."""
    seen: Statements = {}
    connect = sqlite_files.connect

    def traced(path: Path, *arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(path, *arguments, **named)
        connection.set_trace_callback(seen.setdefault(str(path), set()).add)
        return connection

    monkeypatch.setattr(sqlite_files, "connect", traced)
    return seen


def test_no_statement_looks_through_a_table_that_grows(
    settings: Settings, statements: Statements, administer: Callable[[HttpApi], str]
) -> None:
    """Issue 7, 3: checks, logins, new users and housekeeping find everything by an index."""
    with serving(settings) as port, closing(HttpApi(port)) as api:
        for several in statements.values():
            several.clear()  # Those that make the tables.
        walk_through(api, administer(api))
    for path in list(statements):
        if path.endswith("core.db"):
            make_old(path)
    with serving(settings):
        wait_until_gone(settings.data.dir / "core.db")
    looked_through = {
        (plan, sql)
        for path, several in statements.items()
        for sql in several
        for plan in scans(path, sql)
    }
    assert not looked_through
    assert any("DELETE FROM tokens" in sql for several in statements.values() for sql in several)


def test_the_console_finds_users_by_indexes(
    settings: Settings, statements: Statements, administer: Callable[[HttpApi], str]
) -> None:
    """What begins somehow, who signs in somehow, and each next page of the list."""
    with serving(settings) as port, closing(HttpApi(port)) as api:
        jwt = administer(api)
        body = {
            "content": {"profileIds": ["default"], "name": "Ann"},
            "credentials": {"local": ANN},
        }
        assert api.call("security:createUser", body, jwt=jwt, _id="ann").status == 200
        for several in statements.values():
            several.clear()
        for query, sort, after in LOOKED_FOR:
            asked = {"query": query, "sort": sort, "search_after": after, "track_total_hits": 9}
            found = api.call("security:searchUsers", asked, jwt=jwt, size=5)
            assert found.result["hits"][0]["_id"] == "ann", (query, found.body)
        named = {"query": {"prefix": {"username": "ann"}}, "sort": "username"}
        search = "security:searchUsersByCredentials"
        assert api.call(search, named, jwt=jwt, strategy="local").result["total"] == 1
    looked_through = {
        (detail, sql)
        for path, several in statements.items()
        for sql in several
        for detail in scans(path, sql)
        # What is made of the statement itself has a name that it gives.
        if not re.match(r"SCAN (anon_\d+|spellings|\d+)", detail)
        # As many rows as are counted at most.
        and "WHERE 1 = 1\n LIMIT 9" not in sql
    }
    assert not looked_through
    plans = {
        sql: plan(path, sql)
        for path, several in statements.items()
        for sql in several
        if "search_values" in sql or "created_at <=" in sql
    }
    assert all(
        any("collection=? AND path=? AND text>? AND text<?" in detail for detail in details)
        for sql, details in plans.items()
        if "spellings" in sql
    )
    used = "\n".join(detail for details in plans.values() for detail in details)
    assert "text>? AND text<?" in used
    assert "users_by_creation (created_at<?)" in used


NEWEST = [{"_kuzzle_info.createdAt": "desc"}, {"_id": "desc"}]
LOOKED_FOR: list[tuple[Any, Any, Any]] = [
    (
        {
            "bool": {
                "should": [
                    {"prefix": {"_id": "an"}},
                    {"prefix": {"*": {"value": "AN", "case_insensitive": True}}},
                ]
            }
        },
        "_id",
        ["a"],
    ),
    ({"term": {"_kuzzle_info.strategies": "local"}}, "_id", ["an"]),
    ({}, NEWEST, [2**50, "zzz"]),
]
"""Queries, sorts and where the page before ended."""


def walk_through(api: HttpApi, admin: str) -> None:
    """Do what many do, often."""
    content = {"content": {"profileIds": ["admin"]}, "credentials": {"local": ANN}}
    made = api.call("security:createUser", content, jwt=admin, _id="ann")
    assert made.status == 200, made.body
    assert api.call("security:createUser", content, jwt=admin).status == 412
    wrong = ANN | {"password": "no"}
    for given, status in ((wrong, 401), (ANN, 200)):
        assert api.call("auth:login", given, strategy="local").status == status
    jwt = api.call("auth:login", ANN, strategy="local").result["jwt"]
    assert api.call("auth:checkToken", {"token": jwt}).result["valid"]
    assert api.call("auth:getCurrentUser", jwt=jwt).status == 200
    assert api.call("auth:createToken", jwt=jwt).status == 200
    assert api.call("auth:getMySessions", jwt=jwt).status == 200
    key = {"description": "a key"}
    assert api.call("auth:createApiKey", key, jwt=jwt, expiresIn="1h").status == 200
    assert api.call("auth:searchApiKeys", {}, jwt=jwt).status == 200
    jwt = api.call("auth:refreshToken", jwt=jwt).result["jwt"]
    look_around(api, admin, jwt)
    assert api.call("auth:updateSelf", {"city": "Porto"}, jwt=jwt).status == 200
    assert api.call("auth:logout", jwt=jwt).status == 200
    assert api.call("server:adminExists", jwt=admin).status == 200
    assert api.call("security:revokeTokens", jwt=admin, _id="ann").status == 200
    assert api.call("security:deleteUser", jwt=admin, _id="ann").status == 200


def look_around(api: HttpApi, admin: str, jwt: str) -> None:
    """Look at what the console and my account look at."""
    assert api.call("auth:getMySignIns", jwt=jwt, size="1").status == 200
    for name, body in (
        ("security:searchAuditLog", {}),
        ("security:searchAuditLog", {"newerThan": 1}),
        ("security:searchAuditLog", {"search_after": 5}),
        ("security:searchSessions", {}),
        ("security:searchSessions", {"user": "ann"}),
        ("security:searchSessions", {"kind": "apiKey"}),
        ("security:searchHeldBack", {}),
        ("security:searchHeldBack", {"user": "ann"}),
    ):
        assert api.call(name, body, jwt=admin, size=1).status == 200


EXPIRED = """
    INSERT INTO tokens (fingerprint, kuid, generation, jti, key_id, issued_at, expires_at,
                        single_use, last_seen) VALUES (x'01', 'x', 'x', 'x', 'x', 1, 1, 0, 1);
    INSERT INTO api_keys (id, kuid, generation, fingerprint, key_id, description, ttl, created_at,
                          expires_at) VALUES ('x', 'x', 'x', x'02', 'x', 'x', 1, 1, 1);
    INSERT INTO login_counters VALUES (x'01', 1, 1, 1);
    INSERT INTO devices VALUES (x'01', x'01', 1);
    INSERT INTO login_flows VALUES (x'01', 'x', x'01', NULL, x'01', 1);
    INSERT INTO scrolls VALUES ('x', 'users', '{}', '{}', 1);
    INSERT INTO audit (at, event) VALUES (1, 'SignedIn');
    INSERT INTO minutes (minute) VALUES (1);
    INSERT INTO changes (what, id, at) VALUES ('user', 'x', 1), ('user', 'x', 9000000000000);
"""
OVER = {
    "tokens": "expires_at", "api_keys": "expires_at", "login_counters": "expires_at",
    "devices": "seen_at", "login_flows": "expires_at", "scrolls": "expires_at", "audit": "at",
    "minutes": "minute", "changes": "at",
}  # fmt: skip


def make_old(path: str) -> None:
    """Write a row of each kind that is over."""
    with closing(sqlite3.connect(path)) as file:
        file.executescript(EXPIRED)


def wait_until_gone(path: Path) -> None:
    """Wait until the server has removed what is over."""
    with closing(sqlite3.connect(path)) as file:
        end = time.monotonic() + 30
        while left := [
            table
            for table, instant in OVER.items()
            if file.execute(f"SELECT 1 FROM {table} WHERE {instant} = 1").fetchone()
        ]:
            assert time.monotonic() < end, left
            time.sleep(0.05)


def scans(path: str, sql: str) -> Iterator[str]:
    """Yield how a statement looks through a table that grows."""
    if not re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)", sql) or ADMITTED.search(sql):
        return
    for detail in plan(path, sql):
        found = re.match(r"SCAN (\w+)", detail)
        if found and found[1] not in SMALL:
            yield detail


def plan(path: str, sql: str) -> list[str]:
    """Return how SQLite runs a statement."""
    with closing(sqlite3.connect(path)) as file:
        return [str(row[-1]) for row in file.execute(f"EXPLAIN QUERY PLAN {sql}")]
