"""What a hash from elsewhere may cost: some seconds, and as much memory as a server has to spare.

Whoever brings accounts chooses what every login to them costs, before any password is right.
The figures beside the limits are of one core of 2024.
"""

from __future__ import annotations

from ostiary_local.foreign.shapes import UnknownHash

MOST_MEMORY = 256 * 1024
"""KiB that one hash may fill."""

MOST_PBKDF2 = 5_000_000
"""Iterations times blocks of PBKDF2: 2 to 3 s."""

MOST_SCRYPT = 2**22
"""N * r * p of scrypt: 2.5 s."""

MOST_ARGON2 = 2**22
"""KiB of memory times passes of argon2: 3 s."""

MOST_LANES = 64
"""Lanes of argon2 and scrypt: a thread each for argon2."""

DEAREST_BCRYPT = 15
"""Binary logarithm of the rounds of bcrypt: 3 s."""

MOST_CRYPT = 1_000_000
"""Rounds of sha256-crypt and sha512-crypt: 0.2 s, and 2 s for the longest password."""


def work(amount: int, most: int) -> None:
    """Check what a hash takes in steps of its function.

    :raises UnknownHash: it is more than it may be.
    """
    if amount > most:
        raise UnknownHash(
            f"it costs too much: {amount} steps where {most} are allowed, which take seconds"
        )


def memory(kib: int) -> None:
    """Check how much memory a hash fills.

    :raises UnknownHash: it is more than it may be.
    """
    if kib > MOST_MEMORY:
        raise UnknownHash(
            f"it fills {kib // 1024} MiB of memory; {MOST_MEMORY // 1024} are allowed"
        )
