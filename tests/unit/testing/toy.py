"""A healthy strategy for the contract kit, whose source the saboteurs change."""

SOURCE = '''"""Users sign in with a name and a PIN."""

import json
import logging
from importlib.resources import files

from sqlalchemy import Column, MetaData, String, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ostiary import *

metadata = MetaData()
pins = Table(
    "pins",
    metadata,
    Column("kuid", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("hash", String, nullable=False),
    Column("note", String, nullable=False, server_default=""),
)
logger = logging.getLogger(__name__)


@hookimpl
def ostiary_strategies(settings):
    return [Strategy(name="toy", fields=("name", "pin"), identifier="name")]


@hookimpl
def ostiary_storage():
    return Storage(metadata, files(__name__) / "migrations")


@hookimpl
async def ostiary_verify_credentials(strategy, store, credentials):
    name, pin = text_field(credentials, "name"), text_field(credentials, "pin")
    row = None if unfit(name) else await row_of(store, pins.c.name == name)
    genuine = await store.hasher.matches(row.hash if row else None, pin)
    if row is None or not genuine:
        raise errors.LoginRefused(strategy.refusal)
    return Verified(row.kuid)


@hookimpl
async def ostiary_validate_credentials(store, user, credentials, partial):
    check(credentials, partial)
    if "name" in credentials:
        holder = await row_of(store, pins.c.name == credentials["name"])
        if holder is not None and holder.kuid != user.kuid:
            raise errors.CredentialsRejected("the name is taken")


@hookimpl
async def ostiary_create_credentials(store, kuid, credentials):
    check(credentials, False)
    columns = await columns_of(store, credentials)
    try:
        async with store.begin() as db:
            await db.execute(insert(pins).values(kuid=kuid, **columns))
    except IntegrityError:
        raise errors.CredentialsRejected("the name is taken") from None
    return shown(credentials["name"])


@hookimpl
async def ostiary_update_credentials(store, kuid, credentials):
    check(credentials, True)
    columns = await columns_of(store, credentials)
    try:
        async with store.begin() as db:
            await db.execute(update(pins).where(pins.c.kuid == kuid).values(columns))
            name = await db.scalar(select(pins.c.name).where(pins.c.kuid == kuid))
    except IntegrityError:
        raise errors.CredentialsRejected("the name is taken") from None
    return shown(name)


@hookimpl
async def ostiary_delete_credentials(store, kuid):
    async with store.begin() as db:
        await db.execute(delete(pins).where(pins.c.kuid == kuid))


@hookimpl
async def ostiary_get_credentials(store, kuid):
    row = await row_of(store, pins.c.kuid == kuid)
    return None if row is None else shown(row.name)


@hookimpl
async def ostiary_get_credentials_by_id(store, id):
    row = None if unfit(id) else await row_of(store, pins.c.name == id)
    if row is None:
        raise errors.CredentialsRejected("there is no such name")
    return {**shown(row.name), "kuid": row.kuid}


@hookimpl
async def ostiary_search_credentials(store, filter, sort, offset, limit):
    where = condition(filter, {"name": pins.c.name})
    async with store.read(apart=True) as db:
        total = await db.scalar(select(func.count()).select_from(pins).where(where))
        page = select(pins).where(where).order_by(pins.c.name).offset(offset).limit(limit)
        rows = (await db.execute(page)).all()
    return FoundCredentials([{**shown(row.name), "kuid": row.kuid} for row in rows], total)


def shown(name):
    return {"name": name}


def unfit(text):
    return len(text) > 200 or not text.isprintable()


def check(credentials, partial):
    for field in ("name", "pin"):
        if field in credentials or not partial:
            if unfit(text_field(credentials, field)):
                raise errors.CredentialsRejected(field)


async def row_of(store, where):
    async with store.read() as db:
        return (await db.execute(select(pins).where(where))).one_or_none()


async def columns_of(store, credentials):
    columns = {}
    if "name" in credentials:
        columns["name"] = credentials["name"]
    if "pin" in credentials:
        columns["hash"] = await store.hasher.hash(credentials["pin"])
    return columns
'''

FIRST = '''"""Create the table of PINs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "pins",
        sa.Column("kuid", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("hash", sa.String, nullable=False),
    )
'''

SECOND = '''"""Add a note to each PIN."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("pins", sa.Column("note", sa.String, nullable=False, server_default=""))
'''
