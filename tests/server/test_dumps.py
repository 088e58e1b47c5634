"""A dump of every store, after a busy life of the server, holds nothing that anybody could use."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ostiary.testing.packages import badge, steps
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

from .conftest import ADMIN, SETUP_SECRET, Connect, Database, Serve

Administer = Callable[[HttpApi], str]

HINT = "a hint that only its owner may read"
FIRST, SECOND = "the first password of ann, in clear", "the second password of ann, in clear"
TYPED = "a password that was typed as a user name"

VAULT = """
vault = Table(
    "vault", metadata, Column("kuid", String, primary_key=True), Column("hint", Sealed)
)


def sealed(store, kuid, credentials):
    hint = credentials["hint"].encode()
    return store.sealer.seal(hint, column=vault.c.hint, row=kuid)
"""
CREATE = """
async with store.begin() as db:
    await db.execute(insert(badges).values(kuid=kuid, badge=credentials["badge"]))
    await db.execute(insert(vault).values(kuid=kuid, hint=sealed(store, kuid, credentials)))
return {"badge": credentials["badge"]}"""
GET = """
async with store.read() as db:
    hint = await db.scalar(select(vault.c.hint).where(vault.c.kuid == kuid))
if hint is None:
    return None
return {"letters": len(store.sealer.open(hint, column=vault.c.hint, row=kuid))}"""
REVISION = '''"""Create the vault."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table(
        "vault",
        sa.Column("kuid", sa.String, primary_key=True),
        sa.Column("hint", sa.LargeBinary),
    )
'''


@dataclass(frozen=True)
class Life:
    """A server with the plugins `local` and `vault`, and how its stores are dumped."""

    server: ThrowAwayServer
    dump: Callable[[], bytes]
    master: Callable[[], str]


@pytest.fixture
def toys(tmp_path: Path) -> str:
    """What ``PYTHONPATH`` has to be for a plugin that seals what it keeps."""
    plugin = badge("vault", extra=VAULT, create=CREATE, get=GET)
    files = {**plugin.files, "migrations/0002_vault.py": REVISION}
    replace(plugin, files=files).install(tmp_path)
    steps().install(tmp_path)
    return os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(params=["sqlite", "postgresql"])
def life(request: pytest.FixtureRequest, serve: Serve, toys: str) -> Life:
    environment = {"PYTHONPATH": toys, "OSTIARY_SETUP_SECRET": SETUP_SECRET}
    if request.param == "sqlite":
        server = serve(workers=2, environment=environment)

        def dump() -> bytes:
            return b"".join(path.read_bytes() for path in server.data.rglob("*.db*"))

        return Life(server, dump, lambda: (server.data / "master.key").read_text().strip())
    database: Database = request.getfixturevalue("database")
    environment = {**environment, **database.environment}
    server = serve(workers=2, database=database.url, environment=environment, started=False)
    for words in (["db", "provision", "--admin-url", database.admin_url], ["db", "upgrade"]):
        done = server.run(*words)
        assert done.returncode == 0, done.stderr
    server.start()
    return Life(server, lambda: rows(database), lambda: environment["OSTIARY_MASTER_KEY"])


def rows(database: Database) -> bytes:
    """Return every row of every schema of ours, and what the database keeps of the roles."""
    tables = database.query(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname LIKE 'ostiary_%'"
    )
    queries = [f'SELECT t::text FROM "{schema}"."{table}" t' for schema, table in tables]
    queries.append("SELECT rolname || ' ' || coalesce(rolpassword, '') FROM pg_authid")
    return "\n".join(str(row[0]) for sql in queries for row in database.query(sql)).encode()


def live(api: HttpApi, admin: str) -> dict[str, str]:
    """Do what people do, and return every secret that somebody has used."""
    credentials = {
        "local": {"username": "ann", "password": FIRST},
        "vault": {"badge": "b-1", "hint": HINT},
        "steps": {"badge": "s-1"},
    }
    body = {"content": {"profileIds": ["admin"]}, "credentials": credentials}
    assert api.call("security:createUser", body, jwt=admin, _id="ann").status == 200
    mine = {"username": "ann", "password": FIRST}
    token = api.call("auth:login", mine, strategy="local").result["jwt"]
    for wrong in ({"username": TYPED, "password": FIRST}, {"username": "ann", "password": TYPED}):
        assert api.call("auth:login", wrong, strategy="local").status == 401
    key = api.call("auth:createApiKey", {"description": "a key"}, jwt=admin)
    assert key.status == 200, key.error
    new = api.call("auth:refreshToken", jwt=token).result["jwt"]
    assert api.call("auth:getCurrentUser", jwt=new).status == 200
    changed = api.call(
        "security:updateCredentials", {"password": SECOND}, jwt=admin, strategy="local", _id="ann"
    )
    assert changed.status == 200, changed.error
    mine = {"username": "ann", "password": SECOND}
    again = api.call("auth:login", mine, strategy="local").result["jwt"]
    assert api.call("auth:logout", jwt=again).status == 200
    challenged = api.call("auth:login", {"badge": "s-1"}, strategy="steps")
    assert challenged.status == 202, challenged.error
    single = api.call("auth:createToken", jwt=admin, singleUse=True)
    assert single.status == 200, single.error
    return {
        "token": token,
        "refreshed token": new,
        "API key": key.result["_source"]["token"],
        "challenge": challenged.result["challenge"],
        "single-use token": single.result["token"],
        "administrator's token": admin,
        "token after its logout": again,
    }


def test_a_dump_holds_nothing_usable(life: Life, connect: Connect, administer: Administer) -> None:
    """ISO-01, TOK-32, KEY-03, PWD-12, LEAK-05"""
    admin = administer(connect(life.server))
    secrets = live(connect(life.server), admin)
    secrets |= {
        "setup secret": SETUP_SECRET,
        "administrator's password": ADMIN["password"],
        "first password": FIRST,
        "second password": SECOND,
        "what was typed as a name": TYPED,
        "sealed": HINT,
        "master key": life.master(),
    }
    dump = life.dump()
    assert b"ann" in dump
    assert b"$argon2id$" in dump
    for name, secret in secrets.items():
        for spelt in spellings(secret):
            assert spelt not in dump, name


def test_what_plugins_have_sealed_is_sealed_again_when_the_master_key_is_replaced(
    serve: Serve, toys: str, connect: Connect, administer: Administer
) -> None:
    """ISO-12, ISO-01: the plugin does nothing for it, and its secrets still open."""
    environment = {"PYTHONPATH": toys, "OSTIARY_SETUP_SECRET": SETUP_SECRET}
    server = serve(workers=2, environment=environment)
    admin = administer(connect(server))
    live(connect(server), admin)
    done = server.run("keys", "rotate-master")
    assert "Sealed again in the store vault: 1." in done.stdout, done.stderr
    for _ in range(6):
        seen = connect(server).call(
            "security:getCredentials", jwt=admin, strategy="vault", _id="ann"
        )
        assert seen.result["letters"] == len(HINT)
    again = server.run("keys", "rotate-master", "--finish")
    assert "Sealed again in the store vault: 0." in again.stdout, again.stderr


def spellings(secret: str) -> list[bytes]:
    """Return a secret as it may stand in a file or a row: as text, in hex, in base64."""
    raw = {secret.encode()}
    if len(secret) in (43, 44) and " " not in secret:
        raw.add(base64.urlsafe_b64decode(secret[:43] + "="))
    if len(secret) == 64 and all(letter in "0123456789abcdef" for letter in secret):
        raw.add(bytes.fromhex(secret))
    if secret.count(".") == 2:
        # A token: its last part alone would do, beside claims that can be guessed.
        raw.add(secret.rpartition(".")[2].encode())
    return [
        form
        for one in raw
        for form in (one, one.hex().encode(), base64.b64encode(one).rstrip(b"="))
    ]
