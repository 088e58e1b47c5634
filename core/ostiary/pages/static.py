"""The files that pages need: a stylesheet and scripts, from the wheel and from nowhere else."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from ostiary.request import Answer

PATH = "/-/static/"
KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
HEADERS = {"cache-control": "public, max-age=31536000, immutable"}
"""A file that changes gets another address."""

FOLDER = files("ostiary.pages") / "static"


@cache
def address_of(name: str) -> str:
    """Return the address of a file, which tells what is in it."""
    return f"{PATH}{name}?v={hashlib.sha256(_content(name)).hexdigest()[:12]}"


def served(name: str) -> Answer | None:
    """Return a file, or None if there is none of this name."""
    if name not in _names():
        return None
    kind = KINDS[name.rpartition(".")[2]]
    return Answer(200, _content(name), {"content-type": kind, **HEADERS}, shared=False)


@cache
def _names() -> frozenset[str]:
    return frozenset(one.name for one in FOLDER.iterdir() if one.name.rpartition(".")[2] in KINDS)


@cache
def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
