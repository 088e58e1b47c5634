"""Mail is delivered: to whom it may go, once, however often it fails before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ostiary_local import accounts, resets, tables, tickets
from ostiary_local.mail import outbox
from ostiary_local.mail.delivery import deliver

if TYPE_CHECKING:
    from .conftest import Certificate, Inbox, Post

pytestmark = pytest.mark.anyio

RESET = "Reset your password for example.com"
MINUTE = 60_000
VERIFY = "Verify your e-mail address for example.com"


async def test_a_reset_goes_to_the_address_that_was_typed(
    post: Post, inbox: Inbox, link: Callable[[Any], str]
) -> None:
    """PWD-10: a token, which stands in the mail and nowhere else."""
    await post.account("ann", "ann@example.org", "ann@example.net")
    assert await post.ask("ANN@example.org") == {"acknowledged": True}
    await post.deliver()
    assert inbox.told() == [("ann@example.org", RESET)]
    ticket = await tickets.find(post.store, "reset", link(inbox.mails[0]))
    assert ticket is not None
    assert (ticket.kuid, ticket.expired) == ("ann", False)
    assert await post.rows() == []


async def test_without_pages_of_the_operator_mail_leads_to_those_of_the_server(
    post: Post, inbox: Inbox, settings: dict[str, Any]
) -> None:
    """The code stands behind the #, which reaches no server."""
    own = {name: one for name, one in settings.items() if not name.endswith("Url")}
    pages_url = "https://auth.example.com/-/forms"
    post.local = post.local.configured(mail=own, pagesUrl=pages_url)
    await post.account("ann", "ann@example.org", unverified=("ann@example.net",))
    await post.ask("ann")
    await post.claim("ann", "ann@example.net")
    await post.deliver()
    texts = {mail["Subject"]: mail.get_body(("plain",)) for mail in inbox.mails}
    for subject, form in ((RESET, "new-password"), (VERIFY, "verify-address")):
        text = texts[subject]
        assert text is not None
        assert f"{pages_url}/local/{form}#token=" in text.get_content()


async def test_a_reset_by_user_name_goes_to_every_verified_address(
    post: Post, inbox: Inbox
) -> None:
    await post.account("ann", "ann@example.org", "ann@example.net", unverified=("a@evil.example",))
    await post.ask("ann")
    await post.deliver()
    assert sorted(inbox.told()) == [("ann@example.net", RESET), ("ann@example.org", RESET)]
    assert all(len(envelope.rcpt_tos) == 1 for envelope in inbox.envelopes)


async def test_an_address_that_is_not_verified_gets_no_reset(post: Post, inbox: Inbox) -> None:
    await post.account("ann", unverified=("a@evil.example",))
    await post.account("bob", "bob@example.org", unverified=("b@evil.example",))
    for name in ("ann", "a@evil.example", "b@evil.example"):
        await post.ask(name)
    await post.deliver()
    assert inbox.told() == [("bob@example.org", RESET)]


async def test_what_is_nobodys_name_is_forgotten(
    post: Post, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    """LEAK-05: it may be a password that was typed in the wrong field."""
    caplog.set_level(logging.DEBUG, "ostiary_local")
    for name in ("nobody", "my secret pass phrase", "a\0b", "\ud800", "\u202eann"):
        await post.ask(name)
    await post.deliver()
    assert inbox.mails == []
    assert await post.rows(counted=True) == []
    assert "secret" not in caplog.text


async def test_who_is_gone_or_disabled_gets_no_reset(post: Post, inbox: Inbox) -> None:
    """AUTH-03, AUTH-10"""
    for kuid in ("ann", "bob", "eve"):
        await post.account(kuid, f"{kuid}@example.org")
    post.users.gone.add("ann")
    post.users.disabled.add("bob")
    await post.ask("ann")
    await post.ask("bob")
    await post.ask("eve")
    await post.deliver()
    assert inbox.told() == [("eve@example.org", RESET)]


async def test_what_was_typed_and_to_whom_it_goes_is_sealed(post: Post, inbox: Inbox) -> None:
    inbox.replies[:] = ["451 later"]
    await post.account("ann", "ann@example.org")
    await post.ask("ann@example.org")
    (asked,) = await post.rows()
    await post.deliver()
    (waiting,) = await post.rows()
    for row in (asked, waiting):
        assert b"example.org" not in row.typed
        assert "example.org" not in str(row)


async def test_a_verification_goes_to_the_address_in_question(
    post: Post, inbox: Inbox, link: Callable[[Any], str]
) -> None:
    await post.account("ann", "ann@example.org", unverified=("ann@example.net",))
    assert await post.claim("ann", "Ann@example.net") == {"acknowledged": True}
    await post.deliver()
    assert inbox.told() == [("ann@example.net", VERIFY)]
    ticket = await tickets.find(post.store, "verify", link(inbox.mails[0]))
    assert ticket is not None
    assert (ticket.kuid, ticket.bound) == ("ann", "ann@example.net")


async def test_a_refusal_for_now_is_tried_again(
    post: Post, inbox: Inbox, soon: Callable[[], Any], link: Callable[[Any], str]
) -> None:
    inbox.replies[:] = ["451 come back later", "421 not now"]
    await post.account("ann", "ann@example.org")
    await post.ask("ann")
    await post.deliver()
    assert inbox.mails == []
    for _ in range(2):
        await soon()
        await post.deliver()
    assert inbox.told() == [("ann@example.org", RESET)]
    assert await tickets.find(post.store, "reset", link(inbox.mails[0])) is not None
    assert await post.rows() == []


async def test_a_refusal_for_ever_ends_it_at_once_and_names_nobody(
    post: Post, inbox: Inbox, soon: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    inbox.replies[:] = ["550 <ann@example.org> is unknown"]
    await post.account("ann", "ann@example.org")
    await post.ask("ann")
    await post.deliver()
    await soon()
    await post.deliver()
    assert inbox.tried == ["ann@example.org"]
    assert await post.rows() == []
    assert "mail (reset) to user 'ann' is refused: SMTPRecipientRefused 550" in caplog.text
    assert "example.org" not in caplog.text


async def test_an_address_that_there_cannot_be_is_dropped_and_harms_no_other(
    post: Post, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    await post.account("ann", "ann@exa mple.org", "ann@example.org\r\nBcc: e@evil.example")
    await post.account("bob", "bob@example.org")
    await post.ask("ann")
    await post.ask("bob")
    await post.deliver()
    assert inbox.tried == ["bob@example.org"]
    assert await post.rows() == []
    assert caplog.text.count("no mail can be sent to such an address") == 2
    assert "example.org" not in caplog.text


async def test_a_key_that_is_gone_costs_its_mail_and_no_other(
    post: Post, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    await post.account("ann", "ann@example.org")
    await post.ask("ann")
    async with post.store.begin() as db:
        await db.execute(tables.outbox.update().values(typed=b"\xffsealed by another"))
    await post.ask("ann")
    await post.deliver()
    assert inbox.told() == [("ann@example.org", RESET)]
    assert "cannot be read: its key is gone" in caplog.text


async def test_one_refused_address_costs_the_others_nothing(post: Post, inbox: Inbox) -> None:
    inbox.replies[:] = ["550 no such mailbox"]
    await post.account("ann", "ann@example.org", "ann@example.net")
    await post.ask("ann")
    await post.deliver()
    assert len(inbox.told()) == 1


async def test_mail_waits_for_a_server_that_is_down(
    post: Post, inbox: Inbox, soon: Callable[[], Any]
) -> None:
    await post.account("ann", "ann@example.org")
    inbox.close()
    await post.ask("ann")
    await post.deliver()
    assert len(await post.rows()) == 1
    inbox.open()
    await soon()
    await post.deliver()
    assert inbox.told() == [("ann@example.org", RESET)]


async def test_mail_that_fails_for_too_long_is_given_up_and_told_to_operators(
    post: Post, inbox: Inbox, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    inbox.replies[:] = ["451 come back later"]
    post.local = post.local.configured(mail={**settings, "retryFor": 0})
    await post.account("ann", "ann@example.org")
    await post.ask("ann")
    await post.deliver()
    assert await post.rows() == []
    assert "mail (reset) to user 'ann' is given up after 1 attempts" in caplog.text
    assert "example.org" not in caplog.text


async def test_of_many_processes_one_sends_each_mail(post: Post, inbox: Inbox) -> None:
    for number in range(12):
        await post.account(f"user{number}", f"user{number}@example.org")
        await post.ask(f"user{number}")
    await asyncio.gather(*(post.deliver(post.delivery()) for _ in range(4)))
    assert sorted(to for to, _ in inbox.told()) == sorted(f"user{n}@example.org" for n in range(12))


async def test_a_row_that_its_process_has_left_is_found_by_another(
    post: Post, inbox: Inbox
) -> None:
    await post.account("ann", "ann@example.org")
    await post.ask("ann")
    (left,) = await outbox.claim(post.store, lease=300)
    assert await outbox.claim(post.store, lease=300) == []
    await asyncio.sleep(0.35)
    await post.deliver()
    assert inbox.told() == [("ann@example.org", RESET)]
    # Whoever comes back late changes nothing any more.
    await post.pass_by(MINUTE)
    letter = replace(left.opened(post.store), kuid="ann")
    assert await outbox.replace(post.store, left, [letter], most=5) is None
    await outbox.postpone(post.store, left, 0)
    assert await post.rows() == []


async def test_mail_that_is_put_in_is_sent_without_delay(post: Post, inbox: Inbox) -> None:
    settings = post.strategy.settings.mail
    assert settings is not None
    await post.account("ann", "ann@example.org")
    work = deliver(post.strategy, settings, post.store, post.users)  # type: ignore[arg-type]
    task = asyncio.create_task(work)
    await asyncio.sleep(0.1)
    await post.ask("ann")
    async with asyncio.timeout(30):
        while not inbox.mails:
            await asyncio.sleep(0.01)
    task.cancel()
    # Its transaction goes back to the store before that is closed.
    await asyncio.wait([task])
    assert inbox.told() == [("ann@example.org", RESET)]


@pytest.mark.parametrize("names", [["ann"], ["ann", "ann@example.org"]])
async def test_an_account_gets_so_many_mails_an_hour_and_no_more(
    post: Post, inbox: Inbox, settings: dict[str, Any], names: list[str]
) -> None:
    """AUTH-23, AUTH-24: by whatever name it is asked for, from wherever."""
    post.local = post.local.configured(mail={**settings, "maxPerAccount": 3})
    await post.account("ann", "ann@example.org")
    await post.account("bob", "bob@example.org")
    for number in range(6):
        await post.ask(names[number % len(names)], address=f"192.0.2.{number}")
        await asyncio.gather(*(post.deliver(post.delivery()) for _ in range(3)))
        await post.pass_by(MINUTE)
    await post.ask("bob")
    await post.deliver()
    assert sorted(to for to, _ in inbox.told()) == ["ann@example.org"] * 3 + ["bob@example.org"]
    await post.pass_by(60 * MINUTE)
    await post.ask("ann")
    await post.deliver()
    assert len(inbox.mails) == 5


async def test_of_a_burst_of_requests_one_is_answered_by_mail(post: Post, inbox: Inbox) -> None:
    """AUTH-24: in whatever order processes look at them."""
    await post.account("ann", "ann@example.org", "ann@example.net")
    for _ in range(12):
        await post.ask("ann")
    async with post.store.begin() as db:
        order = tables.outbox.c.created_at * 2
        await db.execute(tables.outbox.update().values(due_at=order - tables.outbox.c.due_at))
    await asyncio.gather(*(post.deliver(post.delivery()) for _ in range(4)))
    assert sorted(to for to, _ in inbox.told()) == ["ann@example.net", "ann@example.org"]


async def test_mail_that_waits_counts_like_mail_that_was_sent(
    post: Post, inbox: Inbox, settings: dict[str, Any], soon: Callable[[], Any]
) -> None:
    """AUTH-24: an outage of the mail server saves nothing up."""
    post.local = post.local.configured(mail={**settings, "maxPerAccount": 2})
    await post.account("ann", "ann@example.org")
    inbox.close()
    for _ in range(5):
        await post.ask("ann")
        await post.deliver()
        await post.pass_by(30 * MINUTE)
    inbox.open()
    await soon()
    await post.deliver()
    assert len(inbox.mails) == 2


async def test_what_strangers_ask_for_voids_no_token_that_was_given(
    post: Post, inbox: Inbox, settings: dict[str, Any], link: Callable[[Any], str]
) -> None:
    """AUTH-22: an administrator's, or that of who has to change the password."""
    post.local = post.local.configured(mail={**settings, "maxPerAccount": 8})
    await post.account("ann", "ann@example.org")
    account = await accounts.of(post.store, "ann")
    assert account is not None
    given = await resets.issue(post.strategy, post.store, account)
    for _ in range(8):
        await post.ask("ann")
        await post.deliver()
        await post.pass_by(MINUTE)
    assert len(inbox.mails) == 8
    assert await tickets.find(post.store, "reset", given) is not None
    found = [await tickets.find(post.store, "reset", link(mail)) for mail in inbox.mails]
    assert [ticket is not None for ticket in found] == [False] * 3 + [True] * 5


async def test_the_log_tells_operators_what_became_of_a_request(
    post: Post, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """LEAK-05: by kuid, and never what was typed."""
    caplog.set_level(logging.INFO, "ostiary_local")
    post.local = post.local.configured(mail={**settings, "maxPerAccount": 1})
    await post.account("kuid-of-ann", "ann@example.org")
    await post.account("kuid-of-bob")
    for name in ("ann@example.org", "kuid-of-bob", "nobody"):
        await post.ask(name)
        await post.deliver()
    await post.ask("ann@example.org")
    await post.deliver()
    await post.pass_by(MINUTE)
    await post.ask("ann@example.org")
    await post.deliver()
    told = "mail (reset) to user %r is %s"
    assert [record.getMessage() for record in caplog.records] == [
        told % ("kuid-of-ann", "sent"),
        told % ("kuid-of-bob", "not sent: no address is verified"),
        told % ("kuid-of-ann", "not sent: another was asked for less than a minute before"),
        told % ("kuid-of-ann", "not sent: 1 in an hour are the most"),
    ]


async def test_what_was_sent_is_counted_without_its_contents(post: Post) -> None:
    await post.account("ann", "ann@example.org")
    await post.ask("ann")
    await post.deliver()
    (row,) = await post.rows(counted=True)
    assert (row.kind, row.kuid, row.typed) == ("reset", "ann", None)


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_mail_goes_over_tls_and_signs_in(
    post: Post, inbox: Inbox, certificate: Certificate, settings: dict[str, Any], security: str
) -> None:
    # By TLS it means STARTTLS.
    options: dict[str, Any] = {"ssl_context": certificate.context, "auth_require_tls": False}
    if security == "starttls":
        options = {"tls_context": certificate.context, "require_starttls": True}
    inbox.close()
    inbox.open(authenticator=inbox.admit, auth_required=True, **options)
    given = {"security": security, "caFile": str(certificate.file)}
    given |= {"username": "ostiary", "password": "a pass phrase"}
    post.local = post.local.configured(mail={**settings, **given})
    await post.account("ann", "ann@example.org")
    await post.ask("ann")
    await post.deliver()
    assert inbox.told() == [("ann@example.org", RESET)]
    assert inbox.encrypted == [True]
    assert inbox.signed_in == [(b"ostiary", b"a pass phrase")]


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_nothing_is_told_to_a_server_with_a_certificate_that_nobody_trusts(
    post: Post,
    inbox: Inbox,
    certificate: Certificate,
    settings: dict[str, Any],
    security: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    inbox.close()
    key = "ssl_context" if security == "tls" else "tls_context"
    inbox.open(**{key: certificate.context})
    given = {"security": security, "username": "ostiary", "password": "a pass phrase"}
    post.local = post.local.configured(mail={**settings, **given})
    await post.account("ann", "ann@example.org")
    await post.ask("ann")
    await post.deliver()
    assert (inbox.tried, inbox.signed_in) == ([], [])
    assert len(await post.rows()) == 1
    assert "was not delivered, and is tried again" in caplog.text


async def test_starttls_that_is_not_offered_ends_it(
    post: Post, inbox: Inbox, settings: dict[str, Any]
) -> None:
    """Who strips the offer away reads no mail."""
    post.local = post.local.configured(mail={**settings, "security": "starttls"})
    await post.account("ann", "ann@example.org")
    await post.ask("ann")
    await post.deliver()
    assert inbox.tried == []
    assert len(await post.rows()) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
async def test_a_wrong_password_of_the_mail_server_is_told_and_tried_again(
    post: Post, inbox: Inbox, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    inbox.close()
    inbox.open(authenticator=inbox.admit, auth_required=True, auth_require_tls=False)
    given = {"username": "ostiary", "password": "not the right one"}
    post.local = post.local.configured(mail={**settings, **given})
    await post.account("ann", "ann@example.org")
    await post.ask("ann")
    await post.deliver()
    assert "SMTPAuthenticationError 535" in caplog.text
    assert "not the right one" not in caplog.text
    assert len(await post.rows()) == 1
