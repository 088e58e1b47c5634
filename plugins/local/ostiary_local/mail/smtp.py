"""Handing a mail over to the SMTP server (RFC 5321), by a connection of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    from ostiary_local.mail.settings import MailSettings

PERMANENT = 500

Run = Callable[[Callable[[], Any]], Awaitable[Any]]


class Refused(Exception):
    """The server does not take this mail, now or later; the text holds nothing of it."""


class Undelivered(Exception):
    """It was not delivered, and may be later; the text holds nothing of it."""


class Mailer:
    """Delivers mail.

    :param run: does work that takes its time off the event loop.
    """

    def __init__(self, settings: MailSettings, run: Run) -> None:
        self._settings, self._run = settings, run
        self._made: tuple[ModuleType, ssl.SSLContext | None] | None = None

    async def deliver(self, message: EmailMessage) -> None:
        """Hand a mail over; when this returns, the server has promised to deliver it.

        :raises Refused: it never will.
        :raises Undelivered: it has not.
        """
        if self._made is None:
            self._made = await self._run(self._make)
        library, context = self._made
        try:
            async with asyncio.timeout(self._settings.timeout / 1000):
                await library.send(message, **self._options(context))
        except library.SMTPRecipientsRefused as error:
            raise _failure(error.recipients[0]) from None
        except library.SMTPDataError as error:
            raise _failure(error) from None
        except library.SMTPResponseException as error:
            # Of the connection, not of this mail: who runs the server can mend it.
            raise Undelivered(f"{type(error).__name__} {error.code}") from None
        except library.SMTPNotSupported:
            raise Refused("the server takes no such address") from None
        except (library.SMTPException, OSError) as error:
            # Before what follows: a certificate that nobody trusts is a ValueError, too.
            raise Undelivered(type(error).__name__) from None
        except ValueError as error:
            raise Refused(type(error).__name__) from None

    def _options(self, context: ssl.SSLContext | None) -> dict[str, Any]:
        settings = self._settings
        return {
            "hostname": settings.host,
            "port": settings.at,
            "username": settings.username,
            "password": settings.password,
            # Its own default asks DNS, and has everything wait for it.
            "local_hostname": settings.mailbox.domain,
            "timeout": settings.timeout / 1000,
            "use_tls": settings.security == "tls",
            "start_tls": settings.security == "starttls",
            "tls_context": context,
        }

    def _make(self) -> tuple[ModuleType, ssl.SSLContext | None]:
        """Import what takes its time, and read the certificates that are trusted."""
        import aiosmtplib

        if self._settings.security == "none":
            return aiosmtplib, None
        context = ssl.create_default_context(cafile=self._settings.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return aiosmtplib, context


def _failure(error: Any) -> Refused | Undelivered:
    """Return what a reply of the server means; its text may repeat the address."""
    what = f"{type(error).__name__} {error.code}"
    return Refused(what) if error.code >= PERMANENT else Undelivered(what)
