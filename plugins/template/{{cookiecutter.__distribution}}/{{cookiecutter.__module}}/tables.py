"""The tables of this plugin; a change of them needs a revision in ``migrations``."""

from sqlalchemy import Column, MetaData, String, Table

metadata = MetaData()

phrases = Table(
    "phrases",
    metadata,
    Column("kuid", String, primary_key=True),
    Column("member", String, nullable=False, unique=True),
    Column("hash", String, nullable=False),
)
