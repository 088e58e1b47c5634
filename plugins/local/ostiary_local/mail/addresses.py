"""Mailboxes as headers and SMTP take them."""

from __future__ import annotations

import re
from email.headerregistry import Address
from email.policy import SMTP
from typing import Any


def mailbox(text: str) -> Address:
    """Return the one mailbox of a text such as ``Name <name@example.com>`` (RFC 5322, 3.4).

    :raises ValueError: there is none, or there are more.
    """
    if not text.isprintable():
        raise ValueError("from: wanted: one address, on one line")
    header: Any = SMTP.header_factory("From", text)
    found = header.addresses
    if len(found) != 1 or header.defects or not found[0].domain or not found[0].username:
        raise ValueError("from: wanted: one address, such as Name <name@example.com>")
    return _routable(found[0].display_name, found[0].username, found[0].domain)


def recipient(address: str) -> Address:
    """Return the mailbox of a user.

    A domain is written in ASCII (RFC 5891). What stands before the @ stays as it is: if that is
    not ASCII, the server has to speak SMTPUTF8 (RFC 6531).

    :raises ValueError: no mail can be sent to it.
    """
    local, _, domain = address.rpartition("@")
    if not local or not domain or not address.isprintable():
        raise ValueError("not an address")
    return _routable("", local, domain)


def _routable(name: str, local: str, domain: str) -> Address:
    if not domain.isascii():
        import idna

        # UTS 46 without the mappings of 2003, by which ß would be another domain.
        domain = idna.encode(domain, uts46=True).decode("ascii")
    try:
        # Read again, what would have to be quoted is no address. It knows no letters beyond ASCII.
        Address(addr_spec=f"{re.sub(r'[^ -~]', 'x', local)}@{domain}")
        return Address(display_name=name, username=local, domain=domain)
    except Exception as fault:
        # It may be of any of the classes of its parser.
        raise ValueError("not an address") from fault
