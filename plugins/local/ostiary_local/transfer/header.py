"""The first line of an export: what proves to a server that hashes in the file are its own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from ostiary import SealBroken, Store
from ostiary_local.tables import accounts

WORD, VERSION = "ostiaryExport", 1
PLACE = "an export"
"""Stands for the row that the proof is sealed for; no user can be called so."""


def made(store: Store) -> dict[str, Any]:
    """Return the header of an export."""
    proof = store.sealer.seal(WORD.encode(), column=accounts.c.imported, row=("export", PLACE))
    return {WORD: VERSION, "proof": base64.b64encode(proof).decode()}


def is_header(line: Mapping[str, Any]) -> bool:
    """Tell whether a line is a header."""
    return WORD in line


def is_ours(store: Store, line: Mapping[str, Any]) -> bool:
    """Tell whether a header was made with the master key of this server."""
    try:
        proof = base64.b64decode(str(line.get("proof")), validate=True)
        opened = store.sealer.open(proof, column=accounts.c.imported, row=("export", PLACE))
    except (binascii.Error, SealBroken):
        return False
    return opened == WORD.encode()
