"""Packages for tests: written to a folder as pip would leave them, and found by entry points.

Toy strategies are made of ``badge``, which stands here with ``steps``; ``door``, ``linked`` and
``lock`` beside this module hold those that need more: a provider, several accounts, a proof.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from ostiary.errors import CATALOGUE


@dataclass(frozen=True, kw_only=True)
class Package:
    """A distribution of one import package, which is one plugin.

    :param name: of the plugin; the import package is named ``toy_<name>``.
    :param source: of its ``__init__.py``.
    :param requires: requirements, as in ``Requires-Dist``.
    :param files: others of its files, by their path within it.
    """

    name: str
    source: str
    version: str = "1.0"
    requires: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The name of the import package."""
        return f"toy_{self.name}".replace("-", "_").lower()

    def install(self, folder: Path) -> None:
        """Write the package and its metadata into a folder of ``sys.path`` or ``PYTHONPATH``."""
        _write(folder / self.module / "__init__.py", self.source)
        for path, text in self.files.items():
            _write(folder / self.module / path, text)
        about = folder / f"{self.module}-{self.version}.dist-info"
        requirements = "".join(f"Requires-Dist: {text}\n" for text in self.requires)
        named = f"Metadata-Version: 2.1\nName: toy-{self.name}\nVersion: {self.version}\n"
        _write(about / "METADATA", named + requirements)
        _write(about / "entry_points.txt", f"[ostiary]\n{self.name} = {self.module}\n")


BADGE_ALONE = 'fields=("badge",), identifier="badge", headers=("x-door",)'


def badge(
    name: str = "badge", extra: str = "", declared: str = BADGE_ALONE, **replaced: str
) -> Package:
    """Return a plugin whose users sign in by showing a badge, which nobody else has.

    :param name: of the plugin and of its strategy.
    :param extra: code at the end of the module.
    :param declared: what its strategy declares, besides its name.
    :param replaced: a hook by the end of its name, and the code that stands for it:
        ``verify="return 'nobody'"``.
    """
    bodies = {**_BODIES, **replaced}
    named = {"name": name, "extra": extra, "declared": declared}
    source = Template(_BADGE).substitute(**named, **_indented(bodies))
    return Package(name=name, source=source, files={"migrations/0001_badges.py": _REVISION})


def steps(name: str = "steps", extra: str = "") -> Package:
    """Return a plugin whose users show a badge and then answer a challenge, or go elsewhere.

    The right ``pin`` is 2468; ``again`` is asked again. Who shows a badge and the ``way`` out is
    sent to another site, and comes back with the ``code`` that is the badge.
    """
    return badge(name, extra, _STEPS_DECLARED, verify=_STEPS)


@contextmanager
def installed(folder: Path, *packages: Package) -> Iterator[Path]:
    """Install packages into this process; afterwards they are as if they had never been."""
    for package in packages:
        _forget(package)
        package.install(folder)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield folder
    finally:
        sys.path.remove(str(folder))
        importlib.invalidate_caches()
        for package in packages:
            _forget(package)


def _forget(package: Package) -> None:
    """Forget a package, and another of its name that a test further out has installed."""
    for id in [one.id for one in CATALOGUE.values() if _within(package, one.__module__)]:
        del CATALOGUE[id]
    for module in [name for name in sys.modules if _within(package, name)]:
        del sys.modules[module]


def _within(package: Package, module: str) -> bool:
    return module.partition(".")[0] == package.module


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _indented(bodies: Mapping[str, str]) -> dict[str, str]:
    return {name: body.strip().replace("\n", "\n    ") for name, body in bodies.items()}


_BODIES = {
    "verify": """
verdict = await at("verify", "")
if verdict is not None:
    return verdict
async with store.read() as db:
    kuid = await db.scalar(select(badges.c.kuid).where(badges.c.badge == credentials["badge"]))
if kuid is None:
    raise errors.LoginRefused(strategy.refusal)
await at("verified", kuid)
return Verified(kuid)""",
    "validate": """
await at("validate", user.kuid)
if not isinstance(credentials.get("badge"), str):
    raise errors.CredentialsRejected("a badge is a text")""",
    "create": """
await at("create", kuid)
try:
    async with store.begin() as db:
        await db.execute(insert(badges).values(kuid=kuid, badge=credentials["badge"]))
except IntegrityError:
    raise errors.CredentialsRejected("this badge belongs to another user") from None
await at("created", kuid)
return {"badge": credentials["badge"]}""",
    "update": """
await at("update", kuid)
async with store.begin() as db:
    mine = update(badges).where(badges.c.kuid == kuid)
    await db.execute(mine.values(badge=credentials["badge"]))
return {"badge": credentials["badge"]}""",
    "delete": """
await at("delete", kuid)
async with store.begin() as db:
    await db.execute(delete(badges).where(badges.c.kuid == kuid))""",
    "get": """
await at("get", kuid)
async with store.read() as db:
    badge = await db.scalar(select(badges.c.badge).where(badges.c.kuid == kuid))
return None if badge is None else {"badge": badge}""",
}

_STEPS_DECLARED = """
        fields=("badge", "way", "code", CredentialField("pin", kind="one-time-code", secret=True)),
        identifier="badge",
        factors=("possession", "knowledge"),
"""

_STEPS = """
verdict = await at("verify", "")
if verdict is not None:
    return verdict
pin = (CredentialField("pin", label="PIN", kind="one-time-code", secret=True),)
if call.state is None and credentials.get("way") == "out":
    state = {"badge": credentials["badge"]}
    return Redirect("https://door.example/in?a=1#top", state=state, lifetime=60_000)
if call.state is None:
    async with store.read() as db:
        mine = select(badges.c.kuid).where(badges.c.badge == credentials.get("badge"))
        kuid = await db.scalar(mine)
    if kuid is None:
        raise errors.LoginRefused(strategy.refusal)
    return Challenge(pin, question={"for": "the door"}, state={"kuid": kuid, "tries": 1})
if "badge" in call.state:
    if credentials.get("code") != call.state["badge"]:
        raise errors.LoginRefused(strategy.refusal)
    async with store.read() as db:
        kuid = await db.scalar(select(badges.c.kuid).where(badges.c.badge == credentials["code"]))
    if kuid is None:
        raise errors.LoginRefused(strategy.refusal)
    return Verified(kuid)
if credentials.get("pin") == "again":
    return Challenge(pin, state={**call.state, "tries": call.state["tries"] + 1})
if credentials.get("pin") != "2468":
    raise errors.LoginRefused(strategy.refusal)
return Verified(call.state["kuid"])"""

_BADGE = '''"""A toy: who shows a badge is let in."""

from importlib.resources import files

from ostiary import *
from sqlalchemy import Column, MetaData, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

metadata = MetaData()
badges = Table(
    "badges",
    metadata,
    Column("kuid", String, primary_key=True),
    Column("badge", String, nullable=False, unique=True),
)
given = {}


async def at(step, kuid):
    """Do nothing; a test may put something else here, to hold a hook up or to break it.

    What it returns for ``verify`` is the verdict.
    """


@hookimpl
def ostiary_strategies(settings):
    given.update(settings)
    return [Strategy(name="$name", $declared)]


@hookimpl
def ostiary_storage():
    return Storage(metadata, files(__name__) / "migrations")


@hookimpl
async def ostiary_verify_credentials(strategy, store, credentials, call, directory):
    $verify


@hookimpl
async def ostiary_validate_credentials(strategy, store, user, credentials, call, partial):
    $validate


@hookimpl
async def ostiary_create_credentials(strategy, store, kuid, credentials, call):
    $create


@hookimpl
async def ostiary_update_credentials(strategy, store, kuid, credentials, call):
    $update


@hookimpl
async def ostiary_delete_credentials(strategy, store, kuid, call):
    $delete


@hookimpl
async def ostiary_get_credentials(strategy, store, kuid):
    $get

$extra
'''

_REVISION = '''"""Create the table of badges."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "badges",
        sa.Column("kuid", sa.String, primary_key=True),
        sa.Column("badge", sa.String, nullable=False, unique=True),
    )
'''
