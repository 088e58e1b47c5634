"""Notices: whoever has a verified address hears of a change, and finds nothing to click on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import ostiary_local
from ostiary import Call
from ostiary_local import accounts, tickets
from ostiary_local.errors import UsernameTaken
from ostiary_local.mail.letters import harmless, named
from ostiary_local.naming import Name, Names
from ostiary_local.verification import confirm

if TYPE_CHECKING:
    from .conftest import Inbox, Post

pytestmark = pytest.mark.anyio

CHANGED = "Your password for example.com was changed"
RENAMED = "How you sign in to example.com was changed"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def update(post: Post, kuid: str, call: Call, **fields: Any) -> None:
    await post.local.validate(kuid, fields, partial=True)
    await ostiary_local.ostiary_update_credentials(
        strategy=post.strategy,
        store=post.store,
        kuid=kuid,
        credentials=fields,
        call=call,
        directory=post.local.directory,
    )


def texts(inbox: Inbox) -> list[str]:
    """Return every text of every mail, plain and HTML."""
    parts = (part for mail in inbox.mails for part in mail.walk() if not part.is_multipart())
    return [part.get_content() for part in parts]


async def test_a_change_of_password_is_told_to_every_verified_address(
    post: Post, inbox: Inbox
) -> None:
    """ASVS 6.3.7: users hear of changes to what they sign in with."""
    await post.account("ann", "ann@example.org", "ann@example.net", unverified=("a@evil.example",))
    call = Call(kuid="ann", address="192.0.2.7", user_agent=BROWSER)
    await update(post, "ann", call, password="another pass phrase")
    await post.deliver()
    assert sorted(inbox.told()) == [("ann@example.net", CHANGED), ("ann@example.org", CHANGED)]
    for text in texts(inbox):
        assert "192.0.2.7" in text
        assert "Firefox/140.0" in text
        assert "UTC" in text
        assert "http" not in text
        assert "pass phrase" not in text
    assert await post.rows(counted=True) == []


async def test_what_an_administrator_changes_is_told_without_where_they_sit(
    post: Post, inbox: Inbox
) -> None:
    await post.account("ann", "ann@example.org")
    call = Call(kuid="root", address="192.0.2.7", user_agent=BROWSER)
    await update(post, "ann", call, password="another pass phrase")
    await post.deliver()
    assert inbox.told() == [("ann@example.org", CHANGED)]
    assert len(texts(inbox)) == 2
    for text in texts(inbox):
        assert "An administrator has changed your password" in text
        assert "192.0.2.7" not in text
        assert "Firefox" not in text
        assert "If it was you" not in text


async def test_a_change_of_names_is_told_to_the_addresses_of_before(
    post: Post, inbox: Inbox
) -> None:
    await post.account("ann", "ann@example.org")
    await update(post, "ann", Call(kuid="ann"), username="anna")
    await post.deliver()
    assert inbox.told() == [("ann@example.org", RENAMED)]


async def test_of_a_change_that_fails_nothing_is_told(post: Post) -> None:
    await post.account("ann", "ann@example.org")
    await post.account("bob")
    name = Names.of(Name("bob", "bob"))
    telling = ostiary_local.notices.of_change(
        post.strategy, post.store, "ann", {"username": "bob"}, Call(kuid="ann")
    )
    assert telling is not None
    with pytest.raises(UsernameTaken):
        await accounts.change(post.store, "ann", name, {}, telling=telling)
    assert await post.rows() == []


async def test_without_mail_nothing_is_kept(post: Post) -> None:
    await post.account("ann", "ann@example.org")
    post.local = post.local.configured()
    await update(post, "ann", Call(kuid="ann"), password="another pass phrase")
    assert await post.rows() == []


async def test_the_limit_of_what_is_asked_for_keeps_no_notice_back(
    post: Post, inbox: Inbox, settings: dict[str, Any]
) -> None:
    post.local = post.local.configured(mail={**settings, "maxPerAccount": 1})
    await post.account("ann", "ann@example.org")
    for _ in range(2):
        await post.ask("ann")
    await update(post, "ann", Call(kuid="ann"), password="another pass phrase")
    await post.deliver()
    assert [subject for _, subject in inbox.told()].count(CHANGED) == 1
    assert len(inbox.told()) == 2


@pytest.mark.parametrize(
    "given, shown",
    [
        (BROWSER, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("2001:db8::1", "2001:db8::1"),
        ("call http://evil.example/now", "call http evil example/now"),
        ("<a href=x>\r\nBcc: all", "a href x Bcc: all"),
        ("", "-"),
        ("\u202e", "-"),
    ],
)
def test_what_a_client_says_of_itself_leads_nowhere(given: str, shown: str) -> None:
    assert harmless(given) == shown
    assert len(harmless("x" * 1000)) == 120


@pytest.mark.parametrize(
    "given, shown",
    [
        ("Jürgen Groß", "Jürgen Groß"),
        ("мария_1", "мария_1"),
        ("http://evil.example/now", "http evil example now"),
        ("<b>win</b>\r\nBcc: all", "b win b Bcc all"),
        ("\u202eeve", "eve"),
        ("", "-"),
    ],
)
def test_the_name_of_an_account_leads_nowhere(given: str, shown: str) -> None:
    assert named(given) == shown
    assert len(named("x" * 1000)) == 64


async def test_whoever_verifies_an_address_is_told_for_whose_account(
    post: Post, inbox: Inbox
) -> None:
    """Its owner may not be who asked."""
    await post.account("eve.example", unverified=("ann@example.net",))
    call = Call(address="192.0.2.7", user_agent=BROWSER)
    await post.claim("eve.example", "ann@example.net", call)
    await post.deliver()
    assert len(texts(inbox)) == 2
    for text in texts(inbox):
        for told in ("eve example", "192.0.2.7", "Firefox/140.0", "UTC", "do not open the link"):
            assert told in text


async def test_a_verification_without_a_session_is_told_as_the_users_own(
    post: Post, inbox: Inbox
) -> None:
    await post.account("ann", "ann@example.org", unverified=("ann@example.net",))
    token = await tickets.issue(post.store, "verify", "ann", "ann@example.net", 60_000)
    await confirm(post.strategy, post.store, token, Call(address="192.0.2.7"))
    await post.deliver()
    assert inbox.told() == [("ann@example.org", RENAMED)]
    assert all("192.0.2.7" in text for text in texts(inbox))
