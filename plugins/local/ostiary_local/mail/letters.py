"""Letters: what is known of a mail before it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ostiary import Call

UNKNOWN = "-"
LONGEST_NAME = 64
LONGEST = 120
"""Characters that are told of a text of a client."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that has to be sent.

    :ivar kind: one of ``templates.KINDS``.
    :ivar kuid: to whom; None while it is only known what somebody has typed.
    :ivar to: the address; or, without a kuid, what was typed.
    :ivar created_at: when it was asked for, in ms.
    :ivar about: what its text tells.
    """

    kind: str
    kuid: str | None
    to: str = field(repr=False)
    created_at: int
    about: Mapping[str, str] = field(default_factory=dict, repr=False)

    def packed(self) -> bytes:
        """Return what of it is to be sealed."""
        return json.dumps({"to": self.to, "about": dict(self.about)}).encode()

    @classmethod
    def unpacked(cls, kind: str, kuid: str | None, created_at: int, packed: bytes) -> Letter:
        """Return the letter whose address and contents were packed so."""
        inner = json.loads(packed)
        return cls(kind, kuid, inner["to"], created_at, inner["about"])


def circumstances(call: Call) -> dict[str, str]:
    """Return what a mail tells of a user who has changed something, or asked for it."""
    return {"address": harmless(call.address), "agent": harmless(call.user_agent)}


def named(name: str) -> str:
    """Return the name of an account, of any script, in which nothing can be clicked on either.

    It is its holder's choice, and the mail may go to somebody else.
    """
    plain = re.sub(r"[^\w ._@+-]|\.(?=\w)", " ", name[:LONGEST_NAME])
    return " ".join(plain.split()) or UNKNOWN


def harmless(text: str) -> str:
    """Return a text of a client in which no reader of mail finds anything to click on."""
    plain = re.sub(r"[^A-Za-z0-9 ._/();,:\[\]-]|://|\.(?=[A-Za-z])", " ", text[:LONGEST])
    return " ".join(plain.split()) or UNKNOWN
