"""The encodings of Node's buffers, in one of which Kuzzle stored a value (its setting `digest`).

Two of them lose something: ``ascii`` the highest bit of every byte, ``utf8`` what is no UTF-8.
Values in those are compared after the same loss, which leaves more than enough to compare.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from ostiary_local.foreign import reading
from ostiary_local.foreign.shapes import UnknownHash

Form = Literal["bytes", "ascii", "utf8"]
"""What is left of a value: all of it, or what an encoding does not lose."""

FORMS: dict[str, Form] = {form: form for form in get_args(Form)}

NAMES = {
    **dict.fromkeys(("hex",), "hex"),
    **dict.fromkeys(("base64", "base64url"), "base64"),
    **dict.fromkeys(("latin1", "binary"), "latin1"),
    **dict.fromkeys(("ucs2", "ucs-2", "utf16le", "utf-16le"), "ucs2"),
    **dict.fromkeys(("utf8", "utf-8"), "utf8"),
    **dict.fromkeys(("ascii",), "ascii"),
}
"""Node's names of its encodings, and what we call them."""

REPLACED = "\ufffd"
BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}", re.ASCII)


def read(text: object, length: int, name: object) -> tuple[bytes, Form]:
    """Return the value that an encoded text stands for, and what is left of it.

    :param length: bytes of the value.
    :param name: Node's name of the encoding; None tells it from the text.
    :raises UnknownHash: it stands for no value of this length.
    """
    if not isinstance(text, str) or not text:
        raise UnknownHash("Kuzzle: userPassword: a text is wanted")
    if len(text) > reading.LONGEST * 2:
        raise UnknownHash("Kuzzle: userPassword: is too long")
    if name is not None and (not isinstance(name, str) or name.lower() not in NAMES):
        raise UnknownHash("Kuzzle: digest: is no encoding of Node's")
    encoding = _told(text, length) if not isinstance(name, str) else NAMES[name.lower()]
    form: Form = FORMS.get(encoding, "bytes")
    return whole(_bytes(text, encoding), length, form), form


def whole(value: bytes, length: int, form: Form) -> bytes:
    """Return a value that has the length that it must have.

    :raises UnknownHash: it is cut off.
    """
    # One to three bytes that are no UTF-8 became the three of U+FFFD.
    if form == "utf8" and length <= len(value) <= 3 * length:
        return value
    return reading.exactly(value, length)


def reduced(value: bytes, form: Form) -> bytes:
    """Return what an encoding leaves of a value."""
    match form:
        case "ascii":
            return bytes(byte & 0x7F for byte in value)
        case "utf8":
            return value.decode("utf-8", "replace").encode()
    return value


def _told(text: str, length: int) -> str:
    """Tell the encoding from the number of characters: no two give the same."""
    if REPLACED in text:
        return "utf8"
    if len(text) == 2 * length:
        return "hex"
    if len(text) == length:
        return "ascii" if text.isascii() else "latin1"
    if BASE64.fullmatch(text) and len(text.rstrip("=")) == -(-length * 4 // 3):
        return "base64"
    if 2 * len(text) == length:
        return "ucs2"
    raise UnknownHash(
        f"Kuzzle: userPassword: its length is in no encoding that of {length} bytes: is it cut off?"
    )


def _bytes(text: str, encoding: str) -> bytes:
    match encoding:
        case "hex":
            return reading.from_hex(text, "Kuzzle: userPassword")
        case "base64":
            return reading.decoded(text, "Kuzzle: userPassword")
        case "ucs2":
            return text.encode("utf-16-le", "surrogatepass")
        case "utf8":
            return text.encode("utf-8", "surrogatepass")
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        raise UnknownHash(f"Kuzzle: userPassword: is not in {encoding}") from None
