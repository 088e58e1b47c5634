"""The tables of the local strategy. Instants are milliseconds since the epoch, UTC."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from ostiary import Sealed

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("kuid", String, primary_key=True),
    # Ours, or None where a hash from elsewhere stands alone in `imported`. With both, ours is made
    # of what the other would be, and `imported` tells how that is made, without its value.
    Column("hash", String),
    Column("imported", Sealed),
    # Who set the password: the user, or an administrator.
    Column("updater", String, nullable=False),
    Column("password_set_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# Logins ask for one such account: see ``decoys``. On PostgreSQL the index is partial as well:
# its revision says so, and to say it here would import SQLAlchemy's PostgreSQL in any case.
_wrapped = accounts.c.hash.is_not(None) & accounts.c.imported.is_not(None)
Index("wrapped_accounts", accounts.c.kuid, sqlite_where=_wrapped)

# The names by which users sign in: user names, e-mail addresses, telephone numbers.
identifiers = Table(
    "identifiers",
    metadata,
    # What all spellings of one name share: whatever their kind, no two accounts have the same.
    Column("key", String, primary_key=True),
    # As written by the user; unique although ``key`` is, since the matching may be changed.
    Column("value", String, nullable=False, unique=True),
    # "username", "email" or "phone".
    Column("kind", String, nullable=False),
    Column("kuid", String, nullable=False, index=True),
    # What names share that look alike; None where that is not asked.
    Column("skeleton", String, index=True),
    Column("verified_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
)

former_passwords = Table(
    "former_passwords",
    metadata,
    # Random: what is sealed is sealed for its row.
    Column("id", String, primary_key=True),
    Column("kuid", String, nullable=False, index=True),
    Column("hash", String),
    Column("imported", Sealed),
    Column("set_at", BigInteger, nullable=False),
    Column("archived_at", BigInteger, nullable=False),
)

# What a user was sent, or given, to do one thing once.
tickets = Table(
    "tickets",
    metadata,
    # SHA-256 of what the user holds.
    Column("fingerprint", LargeBinary, primary_key=True),
    # "reset" a password, "verify" an identifier by mail, or "vouch" for it as a caller sends it.
    Column("purpose", String, nullable=False),
    Column("kuid", String, nullable=False, index=True),
    # "given" to somebody, or "mailed": whoever asks for mail crowds out nothing else.
    Column("origin", String, nullable=False),
    # What must be as it was: when the password was set, or the key of the identifier.
    Column("bound", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

# Mail to be sent.
outbox = Table(
    "outbox",
    metadata,
    # Random: what is sealed is sealed for its row.
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    # Tells to which address a mail to one that is not verified goes, without naming it.
    Column("recipient", LargeBinary, index=True),
    # None while only a name is known that somebody typed, which may be nobody's.
    Column("kuid", String, index=True),
    # None once it was sent: what was asked for is counted for an hour.
    Column("typed", Sealed),
    Column("created_at", BigInteger, nullable=False),
    # When it is tried next; moved on by whoever tries it, so that nobody else does meanwhile.
    Column("due_at", BigInteger, nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
)
