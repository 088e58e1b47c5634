"""The tables of the OAuth plugin. Instants are milliseconds since the epoch, UTC."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from ostiary import Sealed

metadata = MetaData()

# Who at a provider is who here: the credentials of this plugin.
identities = Table(
    "identities",
    metadata,
    # Random: what is sealed is sealed for its row.
    Column("id", String, primary_key=True),
    Column("strategy", String, nullable=False),
    # Who vouches for the subject: a strategy that is pointed at another provider knows nobody.
    Column("issuer", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("kuid", String, nullable=False, index=True),
    # JSON: what is kept of the profile, under the names that it is kept by.
    Column("attributes", String, nullable=False),
    # JSON, sealed: what the provider gave, where the operator asks for it; None otherwise.
    Column("tokens", Sealed),
    Column("tokens_expire_at", BigInteger),
    # Until when one process has the tokens to itself, to have the provider renew them.
    Column("tokens_claimed_until", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("strategy", "issuer", "subject"),
)

# Who may become a user, where strangers may not.
invitations = Table(
    "invitations",
    metadata,
    # SHA-256 of what the invited person holds.
    Column("fingerprint", LargeBinary, primary_key=True),
    # None is every strategy of this plugin.
    Column("strategy", String),
    # None is whoever holds it.
    Column("email", String),
    # JSON: the content of the user, with profileIds.
    Column("content", String, nullable=False),
    Column("author", String, nullable=False),
    # Of the author: who is created later with that kuid has invited nobody.
    Column("author_generation", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

# What may be used once, and was: the `jti` of logout tokens.
spent = Table(
    "spent",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
