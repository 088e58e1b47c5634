"""What an error of PostgreSQL means, told without the values that the driver puts into it."""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ostiary import errors

FAULTS = (
    DBAPIError,
    PoolTimeout,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""Everything that SQLAlchemy and asyncpg raise when something is wrong with a database."""

# Classes and codes of PostgreSQL, appendix A: the server is at fault, or busy, or asks to
# try again; not the statement.
UNAVAILABLE = (
    "08",  # connection
    "25P03",  # idle in a transaction for too long
    "28",  # the login is refused
    "3D",  # no such database
    "40",  # deadlock, serialization
    "53",  # disk full, too many connections
    "55P03",  # a lock is not to be had
    "57",  # cancelled by a timeout, shut down
    "58",  # the system of the server
)
INTEGRITY = "23"

READ_ONLY = "25006"
CANCELLED = "57014"
"""By a timeout of statements; or by an administrator, who thought the same."""

# The server, or the way to it, is not there for anybody.
ABSENT = (
    "08",  # connection
    "28",  # the login is refused
    "3D",  # no such database
    "57P",  # shut down, or not up yet
)


def verdict(fault: Exception, *, writes: bool = False) -> Exception:
    """Return the error to raise for a fault.

    :param writes: writing was allowed: if it is not, the server has become a standby.
    """
    if _unavailable(fault) or (writes and state(fault) == READ_ONLY):
        late = state(fault) == CANCELLED
        return (errors.TookTooLong if late else errors.StoreUnavailable)(retry_after=1)
    if isinstance(fault, DBAPIError):
        kind, statement = type(fault), fault.statement
    else:
        kind, statement = DBAPIError, None
    if state(fault).startswith(INTEGRITY):
        kind = IntegrityError
    return kind(statement, None, Exception(describe(fault)), hide_parameters=True)


def describe(fault: Exception) -> str:
    """Say what happened, without the detail, which may hold a row or a parameter."""
    cause = _cause(fault)
    code = state(fault)
    if code.startswith(INTEGRITY):
        # Names the constraint; the values are in the detail.
        return f"{code}: {cause.args[0]}"
    return f"{type(cause).__name__} {code}".rstrip()


def state(fault: BaseException) -> str:
    """Return the code that PostgreSQL gave, or nothing when it gave none."""
    return getattr(_cause(fault), "sqlstate", None) or ""


def absent(fault: Exception, *, writes: bool = False) -> bool:
    """Tell whether a fault may be everybody's: the database is not there, or does not answer.

    A database that is busy is there: one that has no connection or no lock to give.

    :param writes: as of ``verdict``.
    """
    if isinstance(fault, OSError) or state(fault).startswith(ABSENT):
        return True
    if writes and state(fault) == READ_ONLY:
        return True
    invalidated = isinstance(fault, DBAPIError) and fault.connection_invalidated
    return invalidated or _closed(_cause(fault))


def _unavailable(fault: Exception) -> bool:
    if isinstance(fault, PoolTimeout | OSError):
        return True
    if isinstance(fault, DBAPIError) and fault.connection_invalidated:
        return True
    return state(fault).startswith(UNAVAILABLE) or _closed(_cause(fault))


def _closed(cause: BaseException) -> bool:
    """Tell whether asyncpg has lost the connection; its complaints of values are ValueErrors."""
    if isinstance(cause, asyncpg.InternalClientError):
        # The server ended the connection at the very moment when it was used.
        return True
    lost = isinstance(cause, asyncpg.InterfaceError) and not isinstance(cause, ValueError)
    return lost and "closed" in str(cause)


def _cause(fault: BaseException) -> BaseException:
    """Return what asyncpg raised, which SQLAlchemy wraps twice."""
    if isinstance(fault, DBAPIError) and fault.orig is not None:
        return fault.orig.__cause__ or fault.orig
    return fault
