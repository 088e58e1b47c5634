"""The tables of the local strategy. Instants are milliseconds since the epoch, UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, String, Table

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("kuid", String, primary_key=True),
    # As written by the user; unique although ``name`` is, since the matching may be changed.
    Column("username", String, nullable=False, unique=True),
    # What the spellings of one name share.
    Column("name", String, nullable=False, unique=True),
    Column("hash", String, nullable=False),
    # Who set the password: the user, or an administrator.
    Column("updater", String, nullable=False),
    Column("password_set_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
