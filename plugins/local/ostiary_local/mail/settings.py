"""The settings of mail, the table ``[plugins.local.mail]``; without it no mail is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from ostiary import Folder, Span
from ostiary_local.mail.templates import Templates, read

if TYPE_CHECKING:
    from email.headerregistry import Address

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000

LEAST_DELAY, MOST_MAILS = 100, 100
"""Milliseconds between two attempts, and mails an hour."""

PORTS = {"tls": 465, "starttls": 587, "none": 25}
"""Submissions, submission (RFC 8314, 3.3 and 3.1), and a relay on the same machine."""

PAGE = "an address such as https://app.example.com/reset"
NO_TLS = "https: whoever reads a token on its way takes the account over"
NO_FRAGMENT = "an address without a #: what follows it is where the token goes"

LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1")
LANGUAGE = re.compile(r"[A-Za-z0-9-]{2,35}")


@dataclass(frozen=True, kw_only=True)
class MailSettings:
    """The table ``[plugins.local.mail]``."""

    host: Annotated[str, "The SMTP server that takes the mail."]
    port: Annotated[int | None, "Its port: 465, 587 or 25, as `security` says."] = None
    security: Annotated[
        Literal["tls", "starttls", "none"],
        "TLS from the beginning, by STARTTLS, or none, which is for a server on this machine.",
    ] = "tls"
    allow_plaintext: Annotated[
        bool, "Allow `none` to another machine: whoever listens there can set passwords."
    ] = False
    ca_file: Annotated[
        str | None, "A file of certificates (PEM) to trust instead of those of the system."
    ] = None
    username: Annotated[str | None, "Who signs in at the SMTP server; nobody by default."] = None
    password: Annotated[
        str | None,
        "Their password; better given as `OSTIARY_PLUGINS__LOCAL__MAIL__PASSWORD`.",
    ] = field(default=None, repr=False)
    sender: Annotated[str, "From whom the mail is: `Name <address>` or an address."] = field(
        metadata={"key": "from"}
    )
    service: Annotated[
        str | None, "What the mail calls your service; by default the domain of `from`."
    ] = None
    reset_url: Annotated[
        str | None,
        "The page where users set a new password; its address is followed by `#token=…`."
        " By default the server's own, if `server.publicUrl` says where that is; with neither"
        " nobody can ask for a reset.",
    ] = None
    verify_url: Annotated[
        str | None, "The page where users verify an address; likewise, for verifications."
    ] = None
    templates: Annotated[
        Folder | None,
        "A folder of texts that replace ours; a relative path begins where the server is started.",
    ] = None
    language: Annotated[str, "Of the texts; `en` and `de` are there."] = "en"
    timeout: Annotated[Span, "How long the delivery of one mail may take, at most `10m`."] = (
        30 * SECOND
    )
    delay: Annotated[
        Span,
        "Resets are looked at after a random time of at most this, so that the pace of what"
        " follows tells nothing.",
    ] = 2 * SECOND
    retry_after: Annotated[
        Span, "How long after a failure a mail is tried again; three times as long every time."
    ] = 10 * SECOND
    retry_for: Annotated[Span, "How long a mail is tried again at most."] = 4 * HOUR
    max_per_account: Annotated[
        int, "Mails an hour that can be asked for by or for one account; 1 to 100."
    ] = 5
    max_per_address: Annotated[
        int, "Resets an hour that each process takes from one network address."
    ] = 60
    max_waiting: Annotated[
        int, "Requests for resets that wait at most; others are dropped, with a warning."
    ] = 1000

    def __post_init__(self) -> None:
        for key, fault in self._faults():
            if fault:
                raise ValueError(f"{key}: wanted: {fault}")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password: wanted: both, or none")
        # Read now, so that a wrong template stops the start.
        _ = self.mailbox, self.texts

    @property
    def at(self) -> int:
        """The port of the SMTP server."""
        return PORTS[self.security] if self.port is None else self.port

    @property
    def called(self) -> str:
        """What the service is called."""
        return self.service or self.mailbox.domain

    @cached_property
    def mailbox(self) -> Address:
        """From whom the mail is."""
        from ostiary_local.mail.addresses import mailbox

        return mailbox(self.sender)

    @cached_property
    def texts(self) -> Templates:
        """The texts of all kinds of mail."""
        return read(None if self.templates is None else Path(self.templates), self.language)

    def _faults(self) -> list[tuple[str, str | bool | None]]:
        """Return, by key, what is wanted; nothing where it is given."""
        plain = self.security != "none" or LOOPBACK.fullmatch(self.host) or self.allow_plaintext
        return [
            ("host", not _one_line(self.host) and "the name of a machine"),
            ("port", not 0 < self.at < 2**16 and "a port"),
            ("security", not plain and "tls or starttls, or allowPlaintext = true besides"),
            ("caFile", not _is_file(self.ca_file) and "a file"),
            ("resetUrl", _page_fault(self.reset_url)),
            ("verifyUrl", _page_fault(self.verify_url)),
            ("templates", not _is_folder(self.templates) and "a folder that is there"),
            ("service", not _one_line(self.service) and "a name on one line"),
            ("language", not LANGUAGE.fullmatch(self.language) and "a language such as en"),
            ("timeout", not SECOND <= self.timeout <= HOUR // 6 and "from 1s to 10m"),
            ("delay", self.delay > MINUTE and "at most 1m"),
            ("retryAfter", not LEAST_DELAY <= self.retry_after <= HOUR and "from 100 to 1h"),
            ("retryFor", not 0 <= self.retry_for <= 7 * DAY and "from 0 to 7d"),
            ("maxPerAccount", not 1 <= self.max_per_account <= MOST_MAILS and "from 1 to 100"),
            ("maxPerAddress", self.max_per_address < 1 and "at least 1"),
            ("maxWaiting", self.max_waiting < 1 and "at least 1"),
        ]


def _one_line(text: str | None) -> bool:
    return text is None or (text.strip() != "" and text.isprintable())


def _is_file(path: str | None) -> bool:
    return path is None or Path(path).is_file()


def _is_folder(path: Path | None) -> bool:
    return path is None or path.is_dir()


def _page_fault(url: str | None) -> str | None:
    """Return what is wanted of a page that is opened with a token; None if it is so."""
    if url is None:
        return None
    if "#" in url:
        return NO_FRAGMENT
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return PAGE
    clean = url.isascii() and url.isprintable() and not set(url) & set(' "<>\\')
    if parts.scheme not in ("http", "https") or not name or not clean or "@" in parts.netloc:
        return PAGE
    # In clear on this machine alone.
    return None if parts.scheme == "https" or LOOPBACK.fullmatch(name) else NO_TLS
