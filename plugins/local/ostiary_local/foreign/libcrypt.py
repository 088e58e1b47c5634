"""crypt(3) of the C library, which works without the interpreter: nothing else waits for it.

Python dropped its own way to it in 3.13. Not every system has one, some know only DES, and all
have a longest password; whatever it does not make, the caller makes in another way.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

NAMES = ("libcrypt.so.1", "libcrypt.so.2", None)
"""glibc and libxcrypt; None for musl, which has it in the C library itself."""

ROOM = 256 * 1024
"""Bytes of `struct crypt_data`: 131,232 in glibc, 32,768 in libxcrypt, 260 in musl."""

LONGEST = 255
"""Bytes of a password that all of them take."""

KNOWN = ("$5$rounds=1000$test$QmQADEXMG8POI5WDsaeho0P36yK3Tcrgboabng6bkb/", b"test")
"""What one that can be relied on makes."""


def crypt(secret: bytes, setting: str) -> str | None:
    """Return the setting and the value that a password has; None if it is not made here.

    :param secret: without a NUL, where C would end it.
    """
    function = _function()
    if function is None or len(secret) > LONGEST:
        return None
    room = ctypes.create_string_buffer(ROOM)
    made = function(secret, setting.encode(), room)
    # What it cannot do gives nothing, or a star, or DES.
    if made is None or not made.startswith(setting.encode() + b"$"):
        return None
    return made.decode()


@cache
def _function() -> Callable[..., bytes | None] | None:
    for name in NAMES:
        try:
            function = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
        whole, secret = KNOWN
        setting = whole.rpartition("$")[0].encode()
        if function(secret, setting, ctypes.create_string_buffer(ROOM)) == whole.encode():
            return function
    return None
