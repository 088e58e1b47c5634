"""Who is who on PostgreSQL: names of schemas and roles, and their passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.storage.store import StorageError, checked_name

if TYPE_CHECKING:
    from ostiary.keys import MasterKey

MIGRATOR = "ostiary_migrator"
"""The login that may act as every owner; ``ostiary db upgrade`` alone uses it."""

ITERATIONS = 4096


def schema(store: str) -> str:
    """Return the name of a store's schema."""
    return f"ostiary_{checked_name(store)}"


def login(store: str) -> str:
    """Return the role of the running server in a store: it reads and writes rows, no more."""
    return f"ostiary_{checked_name(store)}"


def owner(store: str) -> str:
    """Return the role that a store's tables belong to; nobody can log in as it."""
    return f"ostiary_{checked_name(store)}_owner"


class Passwords:
    """Passwords of roles: those that are configured, else derived from the master key."""

    def __init__(self, master: MasterKey, configured: Mapping[str, str] | None = None) -> None:
        self._master = master
        self._configured = dict(configured or {})
        self._worked: dict[str, str] = {}
        for role, password in self._configured.items():
            # Else server and client would have to agree on a normal form (SASLprep).
            if not password or not password.isascii() or not password.isprintable():
                raise StorageError(f"the password of the role {role} must be printable ASCII")

    def of(self, role: str) -> str:
        """Return the password that a role is to have."""
        return self._all(role)[0]

    def candidates(self, role: str) -> list[str]:
        """Return the passwords that a role may have, the likeliest first.

        After a rotation of the master key it has the old one, until it is provisioned again.
        """
        passwords = self._all(role)
        worked = self._worked.get(role)
        return sorted(passwords, key=lambda password: password != worked)

    def worked(self, role: str, password: str) -> None:
        """Note that a role has a password."""
        self._worked[role] = password

    def _all(self, role: str) -> list[str]:
        if role in self._configured:
            return [self._configured[role]]
        keys = self._master.candidates(f"pg-role/{role}")
        return [base64.urlsafe_b64encode(key).rstrip(b"=").decode() for key in keys]

    def __repr__(self) -> str:
        return "<Passwords>"


def verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5803): it opens nothing."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
