"""The logo of an operator: a small picture in a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ostiary.settings.table import SettingsError

LARGEST = 32 * 1024
"""Bytes of a logo: a page stays small with it."""

KINDS = {
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/jpeg": rb"\xff\xd8\xff",
    "image/webp": rb"RIFF.{4}WEBP",
    "image/svg+xml": rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE[^>]*>\s*)?(<!--.*?-->\s*)*<svg\b",
}
"""What files begin with, by their media type."""


@dataclass(frozen=True)
class Logo:
    """A picture, and its media type."""

    kind: str
    content: bytes


def read_logo(path: Path) -> Logo:
    """Read a logo.

    :raises SettingsError: there is none in the file, or too large a one.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError(f"pages.logo: {path} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise SettingsError(f"pages.logo: {path} has more than {LARGEST // 1024} kB")
    text = content.removeprefix(b"\xef\xbb\xbf")
    for kind, beginning in KINDS.items():
        if re.match(beginning, text, re.DOTALL):
            return Logo(kind, content)
    raise SettingsError(f"pages.logo: {path} is no SVG, PNG, WebP or JPEG")
