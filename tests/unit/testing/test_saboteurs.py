"""Who breaks a promise on purpose fails the contract kit in this promise, and in no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from ostiary.testing.asking import Result, ask, ask_all
from ostiary.testing.packages import Package, installed
from ostiary.testing.places import SQLitePlace
from ostiary.testing.promises import NAMES, PROMISES
from ostiary.testing.promises.forms import forms
from ostiary.testing.promises.tables import upgrade
from ostiary.testing.subject import Subject

DATA = Path(__file__).parent / "data"
Changes: TypeAlias = tuple[tuple[str, str], ...]

SUBJECT = Subject(
    plugin="toy",
    good={"name": "ann", "pin": "4321"},
    other={"name": "bob", "pin": "9876"},
    wrong={"pin": "1234"},
    proof={"currentPin": "4321"},
)


SEEN = """    Column("note", String),
)
seen = Table("seen", metadata, Column("kuid", String), Column("name", String))
"""
SEEN_REVISION = """
    op.create_table("seen", sa.Column("kuid", sa.String), sa.Column("name", sa.String))
"""
NOTE = '    Column("note", String),\n)\n'
CHECK_UPDATE = "check(credentials, True)\n    columns = await columns_of(store, credentials)"
CHECK_CREATE = "check(credentials, False)\n    columns = await columns_of(store, credentials)"
INSERT = "            await db.execute(insert(pins).values(kuid=kuid, **columns))\n"
ERASE = "        await db.execute(delete(pins).where(pins.c.kuid == kuid))"

SABOTEURS: Mapping[str, Changes] = {
    "loads": (('name="toy"', 'name="Toy!"'),),
    "login": (
        ("store, credentials):\n    name, pin", "store, credentials, call):\n    name, pin"),
        ("if row is None or not genuine:", "if row is None or not genuine or call.address:"),
    ),
    "answers": (
        (
            "if row is None or not genuine:",
            'if row is None:\n        raise errors.LoginRefused("nobody")\n    if not genuine:',
        ),
    ),
    "work": (("genuine = await", "genuine = row is not None and await"),),
    "forms": (('return {"acknowledged": True}', 'return {"acknowledged": row is not None}'),),
    "own_names": (("if row is None or row.kuid != call.kuid:", "if row is None:"),),
    "uniqueness": (
        ("nullable=False, unique=True", "nullable=False"),
        (
            CHECK_CREATE,
            (
                'if await row_of(store, pins.c.name == credentials["name"]) is not None:\n'
                f'        raise errors.CredentialsRejected("taken")\n    {CHECK_CREATE}'
            ),
        ),
    ),
    "validation": (("if holder is not None and holder.kuid != user.kuid:", "if False:"),),
    "update": (
        (
            CHECK_UPDATE,
            (
                "if len(credentials) > 1:\n"
                f'        credentials = {{"name": credentials["name"]}}\n    {CHECK_UPDATE}'
            ),
        ),
    ),
    "partial": (
        (CHECK_UPDATE, f'{CHECK_UPDATE}\n    columns.setdefault("hash", "$lost")'),
        ("row.hash if row else", 'row.hash if row and row.hash != "$lost" else'),
    ),
    "old_secret": (
        (
            CHECK_UPDATE,
            (
                f'{CHECK_UPDATE}\n    if "hash" in columns:\n'
                '        columns["note"] = (await row_of(store, pins.c.kuid == kuid)).hash'
            ),
        ),
        (
            "    if row is None or not genuine:",
            (
                "    if row is not None and row.note:\n"
                "        genuine = genuine or await store.hasher.matches(row.note, pin)\n"
                "    if row is None or not genuine:"
            ),
        ),
    ),
    "proof": (("if not proved:", 'if not proved and "name" not in credentials:'),),
    "deletion": (
        (
            ERASE,
            (
                "        done = await db.execute(delete(pins).where(pins.c.kuid == kuid))\n"
                "    if not done.rowcount and kuid in gone:\n"
                '        raise errors.CredentialsRejected("there are none")\n'
                "    gone.add(kuid)"
            ),
        ),
        ("logger = ", "gone = set()\nlogger = "),
    ),
    "absence": (("return None if row is None else shown", "return {} if row is None else shown"),),
    "views": (
        ('return shown(credentials["name"])', 'return {"name": credentials["name"], "kuid": "a"}'),
    ),
    "agreement": (
        (
            'FoundCredentials([{**shown(row.name), "kuid"',
            'FoundCredentials([{"name": row.name.upper(), "kuid"',
        ),
    ),
    "secret_views": (('return shown(credentials["name"])', "return dict(credentials)"),),
    "secret_told": (
        (CHECK_CREATE, f'logger.info("creating %r", credentials)\n    {CHECK_CREATE}'),
    ),
    "secret_store": (
        (
            '    if "pin" in credentials:\n',
            (
                '    if "pin" in credentials:\n'
                '        columns["note"] = base64.b64encode(credentials["pin"].encode()).decode()\n'
            ),
        ),
        ("import json\n", "import base64\n"),
    ),
    "hostile": (
        ('name, pin = text_field(credentials, "name")', 'name, pin = credentials["name"].strip()'),
    ),
    "crash": (
        (NOTE, SEEN),
        (
            INSERT,
            f'{INSERT}            await db.execute(delete(seen).where(seen.c.name == credentials["name"]))\n',
        ),
        (
            'raise errors.CredentialsRejected("the name is taken")\n\n\n@hookimpl\nasync def ostiary_create',
            (
                'raise errors.CredentialsRejected("the name is taken")\n'
                "    if not partial:\n"
                "        async with store.begin() as db:\n"
                '            row = {"kuid": user.kuid, "name": credentials["name"]}\n'
                "            await db.execute(insert(seen).values(row))\n"
                "\n\n@hookimpl\nasync def ostiary_create"
            ),
        ),
        (
            "def upgrade():\n    op.create_table(",
            f"def upgrade():{SEEN_REVISION}    op.create_table(",
        ),
    ),
    "drift": (('Column("note", String)', 'Column("note", String, unique=True)'),),
    "upgrade": (
        (
            '    op.add_column("pins"',
            '    op.execute("DELETE FROM pins")\n    op.add_column("pins"',
        ),
    ),
    "expansion": (
        ('Column("hash", String, nullable', 'Column("hash", String(500), nullable'),
        (
            '    op.add_column("pins"',
            (
                '    with op.batch_alter_table("pins") as table:\n'
                '        table.alter_column("hash", type_=sa.String(500))\n'
                '    op.add_column("pins"'
            ),
        ),
    ),
}
"""What of the healthy strategy is replaced by what, by the promise that it breaks."""


def healthy() -> Package:
    """Return the strategy that keeps every promise."""
    return sabotaged(())


def sabotaged(changes: Changes) -> Package:
    """Return the strategy with some changes, each of which must find its place."""
    files = {file.name.removesuffix(".py.txt"): file.read_text() for file in DATA.iterdir()}
    for old, new in changes:
        assert any(old in text for text in files.values()), old
        files = {name: text.replace(old, new) for name, text in files.items()}
    source = files.pop("strategy")
    revisions = {f"migrations/{name}.py": text for name, text in files.items()}
    return Package(name="toy", source=source, files=revisions)


APART = {"login", "answers", "crash", "forms", "own_names"}
"""They start a server or a process, or nothing else breaks them: each is asked of who breaks one of
them, and of the healthy."""


def results(folder: Path, package: Package, *, apart: bool = True) -> list[Result]:
    promises = [one for one in PROMISES if apart or one.name not in APART]

    async def collect() -> list[Result]:
        with SQLitePlace() as place:
            return [result async for result in ask_all(SUBJECT, place, promises)]

    with installed(folder, package):
        return asyncio.run(collect())


def test_who_keeps_every_promise_passes(tmp_path: Path) -> None:
    found = results(tmp_path, healthy())
    assert {one.promise.name: one.why for one in found if one.state != "kept"} == {}
    assert tuple(one.promise.name for one in found) == NAMES


def test_every_promise_has_a_saboteur() -> None:
    assert set(SABOTEURS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_who_breaks_a_promise_fails_exactly_it(name: str, tmp_path: Path) -> None:
    package = sabotaged(SABOTEURS[name])
    found = results(tmp_path, package, apart=name in APART)
    assert {one.promise.name: one.why for one in found if one.state == "broken"}.keys() == {name}


def test_a_form_that_takes_the_code_of_nobody_is_told(tmp_path: Path) -> None:
    raised = 'raise errors.LoginRefused("this is the code of nobody")'
    with installed(tmp_path, sabotaged(((raised, "return {}"),))), SQLitePlace() as place:
        (result,) = asyncio.run(ask(SUBJECT, place, forms))
    assert result.state == "broken"
    assert "found: a code of nobody's" in result.why


def test_a_revision_that_fails_where_there_are_rows_is_told(tmp_path: Path) -> None:
    changes = (
        ('sa.Column("note", sa.String)', 'sa.Column("note", sa.String, nullable=False)'),
        ('Column("note", String)', 'Column("note", String, nullable=False, default="")'),
    )
    with installed(tmp_path, sabotaged(changes)), SQLitePlace() as place:
        (result,) = asyncio.run(ask(SUBJECT, place, upgrade))
    assert result.state == "broken"
    assert "NOT NULL" in result.why
