"""The files that pages need: a stylesheet and scripts, from the wheel and from nowhere else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from msgspec import Struct

from ostiary.request import Answer

PATH = "/-/static/"
KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
KEPT = {"cache-control": "public, max-age=31536000, immutable"}
"""A file that changes gets another address."""

FOLDER = files("ostiary.pages") / "static"


class File(Struct, frozen=True):
    """A file at an address that tells what is in it.

    :ivar headers: besides those of all files.
    :ivar version: a hash of the content.
    """

    name: str
    content: bytes
    headers: Mapping[str, str]
    version: str

    @classmethod
    def of(cls, name: str, kind: str, content: bytes, also: Mapping[str, str]) -> File:
        """Return a file of a content type, with further headers."""
        version = hashlib.sha256(content).hexdigest()[:12]
        return cls(name, content, {"content-type": kind, **also}, version)

    @property
    def address(self) -> str:
        """Where it is."""
        return f"{PATH}{self.name}?v={self.version}"

    def served(self, version: str) -> Answer:
        """Return it.

        :param version: that was asked for. Another one is kept by nobody: while machines are
            upgraded in turn, a page of one may ask another for what that does not have.
        """
        kept = KEPT if version == self.version else {}
        return Answer(200, self.content, {**self.headers, **kept}, shared=False)


def address_of(name: str) -> str:
    """Return the address of a file from the wheel."""
    return _files()[name].address


def served(name: str, version: str) -> Answer | None:
    """Return a file from the wheel, or None if there is none of this name."""
    file = _files().get(name)
    return None if file is None else file.served(version)


@cache
def _files() -> dict[str, File]:
    kinds = {one: KINDS.get(one.name.rpartition(".")[2]) for one in FOLDER.iterdir()}
    return {
        one.name: File.of(one.name, kind, one.read_bytes(), {})
        for one, kind in kinds.items()
        if kind is not None
    }
