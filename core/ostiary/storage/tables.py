"""The tables of the core's own store.

Instants are integers, milliseconds since the epoch, UTC. Secrets stand here
only as fingerprints (SHA-256) or sealed. An index with ``sqlite_where`` is as small on
PostgreSQL, where its revision says so: ``postgresql_where`` would import SQLAlchemy's PostgreSQL
wherever these tables are.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

from ostiary.storage.documents import Json
from ostiary.storage.sealed import Sealed

metadata = MetaData()

Instant = BigInteger
# Texts in the order of their characters, whatever order the database is made for.
Bytewise = String().with_variant(String(collation="C"), "postgresql")

users = Table(
    "users",
    metadata,
    Column("kuid", String, primary_key=True),
    # A re-created kuid has another generation, so nothing of the first one's revives.
    Column("generation", String, nullable=False),
    Column("status", String, nullable=False),
    Column("content", Json, nullable=False),
    Column("author", String),
    Column("created_at", Instant, nullable=False),
    Column("updater", String),
    Column("updated_at", Instant),
    Index("users_by_creation", "created_at", "kuid"),
)

user_profiles = Table(
    "user_profiles",
    metadata,
    Column("kuid", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("profile_id", String, nullable=False),
    Index("user_profiles_by_profile", "profile_id", "kuid"),
)

user_strategies = Table(
    "user_strategies",
    metadata,
    Column("kuid", String, primary_key=True),
    Column("strategy", String, primary_key=True),
    Column("created_at", Instant, nullable=False),
    Index("user_strategies_by_strategy", "strategy", "kuid"),
)

profiles = Table(
    "profiles",
    metadata,
    Column("id", String, primary_key=True),
    Column("policies", Json, nullable=False),
    Column("rate_limit", Integer, nullable=False),
    Column("content", Json, nullable=False),
    Column("author", String),
    Column("created_at", Instant, nullable=False),
    Column("updater", String),
    Column("updated_at", Instant),
)

roles = Table(
    "roles",
    metadata,
    Column("id", String, primary_key=True),
    Column("controllers", Json, nullable=False),
    Column("content", Json, nullable=False),
    Column("author", String),
    Column("created_at", Instant, nullable=False),
    Column("updater", String),
    Column("updated_at", Instant),
)

tokens = Table(
    "tokens",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("kuid", String, nullable=False),
    Column("generation", String, nullable=False),
    Column("jti", String, nullable=False),
    Column("key_id", String, nullable=False),
    Column("issued_at", Instant, nullable=False),
    # None: never
    Column("expires_at", Instant),
    Column("single_use", Boolean, nullable=False),
    Column("strategy", String),
    Column("agent", String),
    Column("address", String),
    # Precise to the minute, written in batches.
    Column("last_seen", Instant, nullable=False),
    # When it was refreshed, and by which token: it lives on for the grace period.
    Column("replaced_at", Instant),
    Column("successor", LargeBinary),
    # The session is that of the first token in a chain of refreshes: its jti, and when it was
    # issued; None: with this one.
    Column("session", String),
    Column("began_at", Instant),
    # By what the plugin that signed the user in names the session.
    Column("foreign_session", String),
    Index("tokens_by_user", "kuid"),
    Index("tokens_by_end", "expires_at"),
    Index("tokens_by_issue", "issued_at"),
    Index("tokens_by_successor", "successor"),
    # Few have such a name.
    Index(
        "tokens_by_foreign_session",
        "foreign_session",
        sqlite_where=text("foreign_session IS NOT NULL"),
    ),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("kuid", String, nullable=False),
    Column("generation", String, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("key_id", String, nullable=False),
    Column("description", String, nullable=False),
    # As it was asked for, in ms; -1: without end
    Column("ttl", BigInteger, nullable=False),
    Column("author", String),
    Column("created_at", Instant, nullable=False),
    # None: never
    Column("expires_at", Instant),
    # Precise to the minute, written in batches; None: never used.
    Column("last_seen", Instant),
    Index("api_keys_by_fingerprint", "fingerprint", unique=True),
    Index("api_keys_by_user", "kuid"),
    Index("api_keys_by_end", "expires_at"),
    Index("api_keys_by_issue", "created_at"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("sealed", Sealed, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("retired_at", Instant),
)

journal = Table(
    "journal",
    metadata,
    Column("kuid", String, primary_key=True),
    # "" reserves the kuid itself.
    Column("strategy", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("instance", String, nullable=False),
    Column("created_at", Instant, nullable=False),
)

instances = Table(
    "instances",
    metadata,
    Column("id", String, primary_key=True),
    Column("alive_until", Instant, nullable=False),
    # The names of those that it has loaded.
    Column("plugins", Json),
)

changes = Table(
    "changes",
    metadata,
    Column(
        "sequence",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("what", String, nullable=False),
    Column("id", String, nullable=False),
    Column("at", Instant, nullable=False),
    Index("changes_by_instant", "at"),
    sqlite_autoincrement=True,
)

MODE = "mode"
"""The key of the row that is there from the first start on; writers take turns on it."""

installation = Table(
    "installation",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

plugins = Table(
    "plugins",
    metadata,
    Column("name", String, primary_key=True),
    Column("distribution", String, nullable=False),
    Column("version", String, nullable=False),
    Column("strategies", Json, nullable=False),
    # Wraps the hooks of other plugins: its absence must not open a door (a second factor).
    Column("wraps", Boolean, nullable=False),
    Column("seen_at", Instant, nullable=False),
    # When an operator chose to do without it; None: it is loaded where it is installed.
    Column("disabled_at", Instant),
)

search_values = Table(
    "search_values",
    metadata,
    # Every value within the properties of a user, a profile or a role, as searches compare it.
    Column("collection", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("path", Bytewise, primary_key=True),
    Column("text", Bytewise, primary_key=True),
    Column("number", Float),
    # Those of a text, folded and between blanks; None where the text is the only one.
    Column("words", String),
    Index("search_values_by_text", "collection", "path", "text", "id", "number"),
    Index(
        "search_values_by_number",
        "collection",
        "path",
        "number",
        "id",
        sqlite_where=text("number IS NOT NULL"),
    ),
    # The values of a document lie side by side.
    sqlite_with_rowid=False,
)

scrolls = Table(
    "scrolls",
    metadata,
    Column("id", String, primary_key=True),
    Column("collection", String, nullable=False),
    # What is searched for, and the sort values of the last document that was given.
    Column("search", Json, nullable=False),
    Column("position", Json, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("scrolls_by_end", "expires_at"),
)

mappings = Table(
    "mappings",
    metadata,
    Column("collection", String, primary_key=True),
    Column("mapping", Json, nullable=False),
)

places = Table(
    "places",
    metadata,
    # Indexes and collections that were declared: profiles may be restricted to them.
    Column("index", String, primary_key=True),
    # "" is the index itself.
    Column("collection", String, primary_key=True),
)

login_counters = Table(
    "login_counters",
    metadata,
    # A keyed hash of an account, a device or an address: what was typed as a name may be a
    # password.
    Column("subject", LargeBinary, primary_key=True),
    # Failures above the free ones, of which it begins below 0: from 0 on each brings a delay.
    Column("excess", Integer, nullable=False),
    Column("locked_until", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("login_counters_by_end", "expires_at"),
)

devices = Table(
    "devices",
    metadata,
    # Keyed hashes of an account, and of an address from where it was signed in to.
    Column("account", LargeBinary, primary_key=True),
    Column("device", LargeBinary, primary_key=True),
    Column("seen_at", Instant, nullable=False),
    Index("devices_by_instant", "seen_at"),
)

login_flows = Table(
    "login_flows",
    metadata,
    # SHA-256 of what the client holds between two steps of a login.
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("strategy", String, nullable=False),
    # What the plugin has to get back, sealed.
    Column("sealed", Sealed, nullable=False),
    # SHA-256 of what proves that it is the same caller; None where holding the first is enough.
    Column("binding", LargeBinary),
    # A keyed hash of the network it was begun from: so many live at once, and no more.
    Column("network", LargeBinary, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("login_flows_by_end", "expires_at"),
    Index("login_flows_by_network", "network", "expires_at"),
)

audit = Table(
    "audit",
    metadata,
    Column(
        "sequence",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("at", Instant, nullable=False),
    # The name of the event's class.
    Column("event", String, nullable=False),
    # Who did it, and whom or what it was done to; None where that is not known.
    Column("author", String),
    Column("about", String),
    Column("strategy", String),
    # A keyed hash of the account that was named at a login: the name may be a password.
    Column("account", LargeBinary),
    Column("reason", String),
    Column("protocol", String),
    Column("address", String),
    Column("agent", String),
    Column("request", String),
    Column("details", Json),
    Index("audit_by_instant", "at"),
    Index("audit_of_author", "author", "at"),
    Index("audit_of_subject", "about", "at"),
    Index("audit_of_account", "account", "at"),
    Index("audit_of_event", "event", "at"),
    Index("audit_of_strategy", "strategy", "at"),
    Index("audit_of_address", "address", "at"),
    sqlite_autoincrement=True,
)

master_keys = Table(
    "master_keys",
    metadata,
    # Each master key that there was before the one in force, sealed by the one after it.
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

COUNTED = ("requests", "refused", "failed", "sign_ins", "sign_ins_refused")
TIMED, PLACES = ("request", "login"), 21
"""What is counted in each minute; and what has a histogram: see ``services.histogram``."""

minutes = Table(
    "minutes",
    metadata,
    # Its beginning. What processes and machines have counted in it is added up in one row.
    Column("minute", Instant, primary_key=True),
    *(
        Column(name, Integer, nullable=False, server_default=text("0"))
        for name in (*COUNTED, *(f"{what}_{place}" for what in TIMED for place in range(PLACES)))
    ),
)
