"""Writing the mail of a letter (RFC 5322, RFC 2045)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

from ostiary_local.mail.addresses import recipient

if TYPE_CHECKING:
    from ostiary_local.mail.letters import Letter
    from ostiary_local.mail.settings import MailSettings


def written(
    letter: Letter, settings: MailSettings, *, id: str, values: Mapping[str, str]
) -> EmailMessage:
    """Return the mail of a letter.

    :param id: names it, the same whenever it is tried: who gets it twice can tell.
    :param values: what its text names besides the circumstances.
    :raises ValueError: there can be no such address.
    """
    at = datetime.fromtimestamp(letter.created_at / 1000, UTC)
    told = {"service": settings.called, "time": f"{at:%Y-%m-%d %H:%M} UTC", **letter.about}
    subject, plain, html = settings.texts[letter.kind].filled({**told, **values})
    message = EmailMessage(policy=SMTP)
    message["From"] = settings.mailbox
    message["To"] = recipient(letter.to)
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{id}@{settings.mailbox.domain}>"
    # No machine shall answer (RFC 3834, 5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(plain, cte="quoted-printable")
    if html is not None:
        message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message
