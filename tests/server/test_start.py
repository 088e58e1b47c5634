"""Starting, stopping and upgrading: the program says what it does, and refuses what is not fit."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.testing.packages import badge
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

if TYPE_CHECKING:
    from .conftest import Connect, Database, Serve

ANN = {"content": {"profileIds": ["default"]}, "credentials": {"badge": {"badge": "blue"}}}

SECOND_REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("badges", sa.Column("colour", sa.String))
"""

BROKEN_REVISION = f'{SECOND_REVISION}    raise RuntimeError("as if the author had erred")\n'
PATIENCE = 30
UNUSED = (
    # Of SQLAlchemy, and where the stores are on SQLite and up to date.
    "sqlalchemy.orm.", "sqlalchemy.ext.asyncio.", "sqlalchemy.dialects.postgresql.", "asyncpg.",
    "alembic.", "mako.",
    # Algorithms and certificates of which our own tokens have none.
    "joserfc.", "cryptography.x509.", "authlib.", "bcrypt.",
    # What asks other servers, and sends mail.
    "httpx2.", "http.cookiejar.", "urllib.request.", "aiosmtplib.", "smtplib.", "html.",
    # What reads names, passwords and numbers once somebody gives any.
    "phonenumbers.", "confusable_homoglyphs.", "precis_i18n.", "regex.", "zxcvbn_rs_py.",
    "email_validator.", "idna.", "libpass.",
    # What only commands, tests and plugins with wishes need.
    "packaging.", "ctypes.", "starlette.applications.", "starlette.testclient.", "pytest.",
    "ostiary.testing.", "ostiary.life.", "ostiary.importing.", "ostiary_local.transfer.",
    "ostiary.services.search.koncorde.",
)  # fmt: skip
PASSWORD = "correct horse battery staple\n"


def test_told_to_stop_the_server_ends_well_and_finds_everything_again(
    serve: Serve, connect: Connect, administer: Callable[[HttpApi], str]
) -> None:
    server = serve()
    admin = administer(connect(server))
    assert server.stop() == 0
    server.workers = 2
    server.start()
    api = connect(server)
    assert api.call("auth:getCurrentUser", jwt=admin).result["_id"] == "root"
    assert server.stop() == 0
    # Each process gave its lock file back when it ended.
    assert list((server.data / "instances").iterdir()) == []


def test_workers_do_not_outlive_the_process_that_started_them(serve: Serve) -> None:
    server = serve(workers=2)
    os.kill(server.pid, signal.SIGKILL)
    end = time.monotonic() + PATIENCE
    while listens(server):
        assert time.monotonic() < end, "the workers still answer"
        time.sleep(0.02)
    server.kill()
    server.start()


def test_the_folder_and_its_files_are_private(serve: Serve) -> None:
    """CFG-01, ISO-03: the key and the stores are of one user of the machine."""
    server = serve()
    assert mode_of(server.data) == 0o700
    files = [path for path in server.data.iterdir() if path.is_file()]
    assert {path.name for path in files} > {"core.db", "core.db-wal", "local.db", "master.key"}
    assert {mode_of(path) for path in files} == {0o600}


def test_a_port_that_is_taken_stops_the_start(serve: Serve) -> None:
    server = serve(started=False)
    with socket.create_server(("127.0.0.1", server.port)):
        for workers in ("1", "2"):
            refused = server.run("serve", "--port", str(server.port), "--workers", workers)
            assert refused.returncode > 0
            assert "address already in use" in refused.stderr.lower()
            assert "Traceback" not in refused.stderr


def test_only_the_first_master_key_fits_and_only_while_it_is_private(serve: Serve) -> None:
    server = serve(started=False)
    assert server.run("admin", "create", "root", input=PASSWORD).returncode == 0
    file = server.data / "master.key"
    right = file.read_text()
    file.write_text(secrets.token_hex(32))
    assert "master key" in refusal(server)
    file.write_text(right)
    file.chmod(0o644)
    assert "chmod 600" in refusal(server)
    file.chmod(0o600)
    assert server.run("admin", "create", "second", input=PASSWORD).returncode == 0


def test_a_master_key_that_is_lost_is_not_replaced(serve: Serve) -> None:
    server = serve(environment={})
    server.stop()
    (server.data / "master.key").unlink()
    failed = server.run("serve", "--port", str(server.port))
    assert failed.returncode == 1
    assert "master.key" in failed.stderr
    assert not (server.data / "master.key").exists()


def test_closing_says_who_is_administrator_and_closes_nothing_that_is_not_there(
    serve: Serve,
) -> None:
    server = serve(dev=True)
    server.stop()
    assert "There is no administrator" in server.run("admin", "restrict").stdout
    made = server.run("admin", "create", "root", "--kuid", "boss", input="a long enough password\n")
    assert made.returncode == 0, made.stderr
    assert "  boss\n" in server.run("admin", "restrict").stdout
    for file in server.data.glob("core.db*"):
        file.unlink()
    assert server.run("admin", "restrict").returncode == 1


def test_the_effective_settings_are_printed_without_secrets(serve: Serve) -> None:
    """CFG: what is printed may be shown around."""
    key = secrets.token_hex(32)
    server = serve(
        started=False,
        settings='[server]\nport = 7000\n[plugins.local]\nusernameMatching = "exact"\n',
        environment={
            "OSTIARY_MASTER_KEY": key,
            "OSTIARY_SETUP_SECRET": "a secret of the operator",
            "OSTIARY_SECURITY__JWT__EXPIRES_IN": "5m",
        },
    )
    printed = server.run("config")
    assert (printed.returncode, printed.stderr) == (0, "")
    settings = json.loads(printed.stdout)
    assert settings["server"]["port"] == 7000
    assert settings["security"]["authToken"]["expiresIn"] == 300_000
    assert settings["data"]["dir"] == str(server.data)
    assert settings["plugins"]["local"]["usernameMatching"] == "exact"
    assert key not in printed.stdout
    assert "a secret of the operator" not in printed.stdout
    assert not server.data.exists()


def test_a_wrong_setting_stops_every_command(serve: Serve) -> None:
    """CFG-03."""
    server = serve(started=False, settings="[server]\nprot = 7000\n")
    for words in (["serve"], ["db", "upgrade"]):
        refused = server.run(*words)
        assert refused.returncode == 2
        assert "server.prot" in refused.stderr
        assert "server.port" in refused.stderr
        assert "ostiary.toml" in refused.stderr


def test_hashes_that_this_machine_cannot_make_stop_the_start(serve: Serve) -> None:
    lanes = 2**24
    settings = f"[security.hashing]\nmemoryCost = {8 * lanes}\nparallelism = {lanes}\n"
    refused = serve(started=False, settings=settings).run("serve")
    assert refused.returncode == 2
    assert "security.hashing" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_server_at_rest_has_imported_nothing_that_it_does_not_use(serve: Serve) -> None:
    """G7: with both plugins, once its stores are there."""
    server = serve(environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert server.stop() == 0
    first = len(server.log)
    server.start()
    told = (line for line in server.log[first:].splitlines() if line.startswith("import time:"))
    imported = {line.rpartition("|")[2].strip() for line in told}
    assert {"ostiary.serving", "ostiary_local.naming", "ostiary_oauth.identities"} <= imported
    assert {name for name in imported if f"{name}.".startswith(UNUSED)} == set()


def test_what_is_printed_is_what_a_start_would_take(serve: Serve) -> None:
    """CFG-03: a wrong setting of a plugin is told, save where the plugin is disabled."""
    wrong = serve(started=False, settings="[plugins.local]\nminLenght = 12\n")
    printed = wrong.run("config")
    assert json.loads(printed.stdout)["plugins"]["local"] == {"minLenght": 12}
    assert printed.returncode == 2
    assert "plugins.local.minLenght" in printed.stderr
    assert not wrong.data.exists()
    server = serve(settings="")
    server.stop()
    assert server.run("plugins", "disable", "local", "--yes", "--force").returncode == 0
    settings = server.data.parent / "ostiary.toml"
    settings.write_text("[plugins.local]\nminLenght = 12\n", encoding="utf-8")
    assert server.run("config").returncode == 0
    assert server.run("plugins", "enable", "local").returncode == 0
    assert server.run("config").returncode == 2


def test_plugins_and_stores_are_listed(serve: Serve, tmp_path: Path) -> None:
    badge().install(tmp_path)
    server = serve(started=False, environment={"PYTHONPATH": str(tmp_path)})
    assert "badge is at revision 0001" in server.run("db", "upgrade", "badge").stdout
    status = rows(server, "db", "status")
    assert list(status) == ["core", "badge", "local", "oauth"]
    assert status["badge"] == ["0001", "0001", "up to date"]
    assert status["local"] == ["-", status["local"][1], "behind"]
    assert rows(server, "plugins")["badge"] == ["1.0", "badge", "badge", "0001", "-", "loaded"]
    unknown = server.run("db", "upgrade", "bagde")
    assert unknown.returncode == 1
    assert "bagde" in unknown.stderr


def test_an_older_store_is_copied_before_it_is_upgraded(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    badge().install(tmp_path)
    server = serve(dev=True, environment={"PYTHONPATH": str(tmp_path)})
    assert connect(server).call("security:createUser", ANN, _id="ann").status == 200
    server.stop()
    revision = tmp_path / "toy_badge" / "migrations" / "0002_colours.py"

    # It takes its own plugin down, and nothing of the store with it.
    revision.write_text(BROKEN_REVISION)
    server.start()
    assert connect(server).call("auth:getStrategies").result == ["local"]
    assert columns(server.data / "badge.db") == ["kuid", "badge"]
    server.stop()

    revision.write_text(SECOND_REVISION)
    server.start()
    login = connect(server).call("auth:login", {"badge": "blue"}, strategy="badge")
    assert login.result["_id"] == "ann"
    assert columns(server.data / "badge.db") == ["kuid", "badge", "colour"]
    copies = list(server.data.glob("badge.db.0001.*.bak"))
    assert copies
    for copy in copies:
        assert mode_of(copy) == 0o600
        assert columns(copy) == ["kuid", "badge"]
        with closing(sqlite3.connect(copy)) as file:
            assert file.execute("SELECT * FROM badges").fetchall() == [("ann", "blue")]
    # What was up to date was not copied.
    assert {path.name.split(".")[0] for path in server.data.glob("*.bak")} == {"badge"}


def test_on_postgresql_nothing_is_made_or_upgraded_unasked(
    serve: Serve, connect: Connect, database: Database
) -> None:
    """Every refusal names the command that helps; the SQL may be run by somebody else."""
    server = serve(started=False, database=database.url, environment=database.environment)
    assert "ostiary db provision" in refusal(server)
    printed = server.run("db", "provision")
    assert printed.returncode == 0
    assert database.environment["OSTIARY_MASTER_KEY"] not in printed.stdout
    database.run_script(printed.stdout)
    assert "ostiary db upgrade" in refusal(server)
    assert server.run("db", "upgrade", "core").returncode == 0
    server.start()
    assert "plugin local is not loaded: its tables are not at revision" in server.log
    assert "ostiary db upgrade local" in server.log
    assert server.stop() == 0
    assert server.run("db", "upgrade").returncode == 0
    server.start()
    assert connect(server).call("auth:checkToken").result["valid"]
    assert server.stop() == 0
    assert not server.data.exists()


def test_on_postgresql_a_master_key_is_wanted_and_only_the_first_one_fits(
    serve: Serve, ready: Database
) -> None:
    environment = dict(ready.environment)
    assert serve(database=ready.url, environment=environment).stop() == 0
    del environment["OSTIARY_MASTER_KEY"]
    server = serve(started=False, database=ready.url, environment=environment)
    assert "OSTIARY_MASTER_KEY" in refusal(server)
    environment["OSTIARY_MASTER_KEY"] = secrets.token_hex(32)
    server = serve(started=False, database=ready.url, environment=environment)
    assert "master key" in refusal(server)


def refusal(server: ThrowAwayServer) -> str:
    """Return what a server says that does not start."""
    refused = server.run("serve", "--port", str(server.port))
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    return refused.stderr


def rows(server: ThrowAwayServer, *words: str) -> dict[str, list[str]]:
    """Return the table that a command prints, by the first column."""
    printed = server.run(*words)
    assert (printed.returncode, printed.stderr) == (0, "")
    header, *lines = printed.stdout.splitlines()
    starts = [match.start() for match in re.finditer(r"\S+", header)]
    cells = [
        [line[one:next_].strip() for one, next_ in zip(starts, [*starts[1:], None], strict=True)]
        for line in lines
    ]
    return {first: rest for first, *rest in cells}


def listens(server: ThrowAwayServer) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def columns(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as store:
        return [row[1] for row in store.execute("PRAGMA table_info(badges)")]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
