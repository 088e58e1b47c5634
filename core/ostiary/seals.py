"""What goes wrong with secrets that are read again; apart from ``sealing``, which takes long to load."""

from __future__ import annotations


class SealBroken(Exception):
    """A sealed value was changed, moved to another place or sealed under another key."""
