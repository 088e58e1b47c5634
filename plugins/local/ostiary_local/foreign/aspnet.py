"""ASP.NET Identity, versions 2 and 3: PBKDF2 in one piece of base64.

https://github.com/dotnet/aspnetcore, PasswordHasher.cs: the first byte is the version; numbers
are big-endian.
"""

from __future__ import annotations

from ostiary_local.foreign import pbkdf2, reading
from ostiary_local.foreign.shapes import Reading, UnknownHash

V2, V3 = 0, 1
V2_SALT, V2_VALUE, V2_ITERATIONS = 16, 32, 1000
V3_HEADER = 13
FUNCTIONS = ("sha1", "sha256", "sha512")


def read(text: str) -> Reading:
    """Read a hash of ASP.NET Identity.

    :raises UnknownHash: it is none.
    """
    piece = reading.decoded(text, "hash")
    if len(piece) > V3_HEADER and piece[0] == V3:
        return _v3(piece)
    if piece[:1] == bytes([V2]):
        reading.exactly(piece, 1 + V2_SALT + V2_VALUE)
        return pbkdf2.made("sha1", V2_ITERATIONS, piece[1 : 1 + V2_SALT], piece[1 + V2_SALT :])
    raise UnknownHash("it is in no shape that is known")


def _v3(piece: bytes) -> Reading:
    function, iterations, size = (
        int.from_bytes(piece[start : start + 4], "big") for start in (1, 5, 9)
    )
    if function >= len(FUNCTIONS):
        raise UnknownHash("its hash function is not known")
    salt, value = piece[V3_HEADER : V3_HEADER + size], piece[V3_HEADER + size :]
    # ASP.NET itself takes no shorter ones.
    salt = reading.salt(salt, reading.SHORTEST)
    return pbkdf2.made(FUNCTIONS[function], iterations, salt, value)
