"""The master key, and the keys derived from it; no data base ever holds one.

A dump or a backup alone is worthless: hashes are peppered, secrets sealed and
data base roles given passwords that all come from these 32 bytes.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import shlex
import subprocess
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LENGTH = 32
"""Bytes of a master key."""

PATIENCE = 30
"""Seconds that the command which prints the key may take."""

CURRENT = 1
"""The id of the key that seals; it stands in front of what is sealed, for rotation."""

NONCE = 12

OWNER = re.compile(r"[a-z][a-z0-9_]*")

HEX = re.compile(r"[0-9a-fA-F]{64}")
BASE64URL = re.compile(r"[A-Za-z0-9_-]{43}=?")


class MasterKeyError(Exception):
    """The master key is missing or unfit; the server does not start. Holds nothing of the key."""


class SealBroken(Exception):
    """A sealed value was changed, moved to another place or sealed under another key."""


class MasterKey:
    """The secret that all others are derived from."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != LENGTH:
            raise MasterKeyError(f"a master key has {LENGTH} bytes, not {len(key)}")
        if _guessable(key):
            raise MasterKeyError("the master key can be guessed; make one with random bytes")
        self._key = key

    @classmethod
    def load(
        cls, *, environment: str | None, command: str | None, file: Path | None, create: bool
    ) -> Self:
        """Return the key of the first source that is configured, in the order given.

        :param environment: the key itself.
        :param command: prints the key; split like a shell's words, but run without a shell.
        :param file: holds the key, readable by its owner only.
        :param create: make the file if there is none; processes that do so at once agree.
        :raises MasterKeyError: no source has a key, or the key is unfit.
        """
        if environment is not None:
            return cls._parse(environment, "OSTIARY_MASTER_KEY")
        if command is not None:
            return cls._parse(_printed_by(command), "the output of security.masterKeyCommand")
        if file is None:
            raise MasterKeyError(
                "no master key: set OSTIARY_MASTER_KEY or security.masterKeyCommand"
            )
        if create and not file.exists():
            _create(file)
        return cls._parse(_content(file), str(file))

    def derive(self, purpose: str, length: int = LENGTH) -> bytes:
        """Return the key for one purpose (HKDF-SHA256); it tells nothing of any other."""
        info = f"ostiary/v1/{purpose}".encode()
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(self._key)

    def check_value(self) -> str:
        """Return what a store keeps to notice another key; the key cannot be told from it."""
        return self.derive("check-value", 16).hex()

    def sealer(self, owner: str) -> Sealer:
        """Return what encrypts the secrets of the core or of one plugin."""
        return Sealer(owner, {CURRENT: self.derive(f"plugin/{_checked(owner)}/aead")})

    def pepper(self, owner: str) -> bytes:
        """Return what the core or one plugin mixes into its hashes."""
        return self.derive(f"plugin/{_checked(owner)}/pepper")

    def setup_secret(self) -> str:
        """Return the text that lets somebody become the first administrator (160 bits)."""
        return base64.b32encode(self.derive("setup-secret", 20)).decode().lower()

    def __repr__(self) -> str:
        return "<MasterKey>"

    @classmethod
    def _parse(cls, text: str, source: str) -> Self:
        text = text.strip()
        try:
            if HEX.fullmatch(text):
                return cls(bytes.fromhex(text))
            if BASE64URL.fullmatch(text):
                return cls(base64.urlsafe_b64decode(text[:43] + "="))
        except MasterKeyError as unfit:
            raise MasterKeyError(f"{source}: {unfit}") from None
        raise MasterKeyError(f"{source}: wanted {LENGTH} bytes as 64 hex digits or in base64url")


class Sealer:
    """Encrypts the secrets of one owner, with AES-256-GCM."""

    __slots__ = ("_ciphers", "_owner")

    def __init__(self, owner: str, keys: dict[int, bytes]) -> None:
        self._owner = owner
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}

    def seal(self, secret: bytes, *, context: str) -> bytes:
        """Return the secret encrypted.

        :param context: where it will stand, ``table|column|primary key``; it opens nowhere else.
        """
        # Random nonces of 96 bits are safe for 2**32 secrets of one owner (SP 800-38D, 8.3).
        nonce = secrets.token_bytes(NONCE)
        cipher = self._ciphers[CURRENT]
        return bytes([CURRENT]) + nonce + cipher.encrypt(nonce, secret, self._place(context))

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Return the secret that was sealed for this context.

        :raises SealBroken: it was not sealed so, or has been changed since.
        """
        cipher = self._ciphers.get(sealed[0]) if sealed else None
        if cipher is None:
            raise SealBroken(f"a secret of {self._owner} is sealed by an unknown key")
        nonce, text = sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
        try:
            return cipher.decrypt(nonce, text, self._place(context))
        except (InvalidTag, ValueError):
            # ValueError: too short to hold a nonce.
            raise SealBroken(f"a secret of {self._owner} cannot be opened here") from None

    def __repr__(self) -> str:
        return f"<Sealer of {self._owner}>"

    def _place(self, context: str) -> bytes:
        # An owner's name has no bar in it: two pairs never give the same bytes.
        return f"{self._owner}|{context}".encode()


def _guessable(key: bytes) -> bool:
    """Tell whether no good source gives such bytes: few values, steps, or plain text.

    A random key fails by chance once in 10**13.
    """
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    text = key.decode("latin-1")
    words = text.isascii() and text.isprintable()
    return len(set(key)) < LENGTH // 2 or len(steps) == 1 or words


def _checked(owner: str) -> str:
    if not OWNER.fullmatch(owner):
        raise ValueError(f"{owner!r} cannot own keys")
    return owner


def _printed_by(command: str) -> str:
    """Run a command; what it says on its standard error goes to the operator's."""
    try:
        run = subprocess.run(  # noqa: S603 - the operator's own command
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
            check=True,
        )
    except subprocess.CalledProcessError as failed:
        raise MasterKeyError(f"security.masterKeyCommand exited with {failed.returncode}") from None
    except subprocess.TimeoutExpired:
        raise MasterKeyError(f"security.masterKeyCommand took over {PATIENCE} seconds") from None
    except (OSError, ValueError, IndexError):
        # From None: the text may be a password typed into the command.
        raise MasterKeyError("security.masterKeyCommand cannot be run") from None
    return run.stdout.decode("latin-1")


def _content(file: Path) -> str:
    try:
        # One open file, so that what was checked is what is read.
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode & 0o777
            if mode & 0o077:
                raise MasterKeyError(
                    f"{file}: others may read or write it (mode {mode:04o}); "
                    f"run: chmod 600 {shlex.quote(str(file))}"
                )
            return opened.read(1024).decode("latin-1")
    except OSError as error:
        raise MasterKeyError(f"{file}: the master key cannot be read: {error.strerror}") from None


def _create(file: Path) -> None:
    """Put a new key into a file that appears complete or not at all."""
    key = base64.urlsafe_b64encode(secrets.token_bytes(LENGTH)) + b"\n"
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}.new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _write(draft, key)
            # If another process was faster, its key is the one.
            with suppress(FileExistsError):
                os.link(draft, file)
            _sync(file.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise MasterKeyError(f"{file}: cannot be created: {error.strerror}") from None


def _write(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
