"""E-mail addresses as names: their syntax, and what their spellings share. No DNS is asked."""

from __future__ import annotations

import unicodedata

from ostiary import mark
from ostiary_local import errors

LONGEST = 254
"""Characters of an address (RFC 5321, 4.5.3.1.3, less the brackets)."""

LONGEST_LABEL = 63
"""Characters between two dots of a domain (RFC 1035, 2.3.4)."""

LONGEST_FOREIGN = 63
"""Characters of a domain that is not ASCII, or is so in disguise, so that no login takes long.

IDNA looks at each of them in many ways, and at some as often as there are others.
"""

LONGEST_ENCODED = 127
"""Characters of such a domain as the DNS spells it, which takes more of them."""

MOST_LABELS = 8
"""Labels of such a domain."""


def fit(email: object) -> str:
    """Return an address that may be taken, in its normal form: that is where mail is sent.

    :raises errors.InvalidEmail: it may not, and the error says why.
    """
    if not isinstance(email, str):
        raise errors.InvalidEmail(mark("must be a text"))
    # Compatible forms name other mailboxes, and have the same key (UTS 39, 3.3).
    found = _parts(email) if unicodedata.is_normalized("NFKC", email[: LONGEST + 1]) else None
    if found is None:
        raise errors.InvalidEmail(mark("is none that mail can be sent to"))
    return "@".join(found)


def key(text: str) -> str | None:
    """Return what the spellings of an address share, or None if the text is no address.

    The case of the part before the @ is one, which no mail server of today tells apart
    (RFC 5321, 2.4, would let it). Nothing else of it is, since that would be other mailboxes.
    """
    found = _parts(text)
    if found is None:
        return None
    local, domain = found
    return f"{unicodedata.normalize('NFC', local.lower())}@{domain}"


def _parts(text: str) -> tuple[str, str] | None:
    """Return the two parts of an address, in their normal form."""
    _, at, domain = text.rpartition("@")
    # The library would take its time over them.
    if len(text) > LONGEST or not at or _unlikely(domain):
        return None
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(
            text,
            # "ann"@example.com is another way to write ann@example.com.
            allow_quoted_local=True,
            allow_smtputf8=True,
            check_deliverability=False,
            # A house without the Internet has mail, too.
            globally_deliverable=False,
        )
    except EmailNotValidError:
        return None
    return (found.local_part, found.domain)


def _unlikely(domain: str) -> bool:
    """Tell whether a domain is none, or none that IDNA is worth asking about."""
    labels = domain.split(".")
    if max(map(len, labels)) > LONGEST_LABEL:
        return True
    if domain.isascii() and "xn--" not in domain.lower():
        return False
    most = LONGEST_ENCODED if domain.isascii() else LONGEST_FOREIGN
    return len(domain) > most or len(labels) > MOST_LABELS
