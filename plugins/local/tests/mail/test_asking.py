"""Asking for mail: the answer is always the same, and so is the work."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, select

from ostiary import errors as core
from ostiary import network
from ostiary_local import errors
from ostiary_local.mail import actions
from ostiary_local.mail.allowance import Allowance
from ostiary_local.tables import accounts, identifiers, tickets

if TYPE_CHECKING:
    from .conftest import Inbox, Post

pytestmark = pytest.mark.anyio

NAMES = ["ann", "ann@example.org", "bob", "nobody", "nobody@example.org", "a\0b", "x" * 512]


async def test_every_request_does_the_same_whoever_is_named(post: Post) -> None:
    """PWD-10, AUTH-01, AUTH-02: statements and rows are counted, since tests measure no times."""
    await post.account("ann", "ann@example.org")
    await post.account("bob")
    done, written = [], []
    with _statements() as statements:
        for name in NAMES:
            before = len(await post.rows())
            statements.clear()
            assert await post.ask(name) == {"acknowledged": True}
            done.append(list(statements))
            written.append(len(await post.rows()) - before)
    assert written == [1] * len(NAMES)
    assert all(one == done[0] for one in done)
    assert len(done[0]) >= 2


async def test_what_was_typed_is_looked_at_after_a_random_time(
    post: Post, settings: dict[str, Any]
) -> None:
    """AUTH-02: the work that a known name makes does not follow its request."""
    post.local = post.local.configured(mail={**settings, "delay": "1m"})
    await post.account("ann", "ann@example.org")
    for name in ("ann", "nobody") * 5:
        await post.ask(name)
    await post.deliver()
    delays = {row.due_at - row.created_at for row in await post.rows()}
    assert len(delays) > 3
    assert all(0 <= delay <= 61_000 for delay in delays)


async def test_asking_changes_nothing_of_the_account(post: Post) -> None:
    """AUTH-22"""
    await post.account("ann", "ann@example.org")
    before = await _everything(post)
    await post.ask("ann")
    assert await _everything(post) == before
    assert await post.local.login("ann", "a pass phrase of theirs") == "ann"


async def test_without_mail_everybody_is_told_that_it_is_off(
    post: Post, settings: dict[str, Any]
) -> None:
    await post.account("ann", "ann@example.org", unverified=("ann@example.net",))
    pageless = {name: one for name, one in settings.items() if not name.endswith("Url")}
    for mail in (None, pageless):
        post.local = post.local.configured(mail=mail)
        for name in NAMES:
            with pytest.raises(errors.MailOff):
                await post.ask(name)
        with pytest.raises(errors.MailOff):
            await post.claim("ann", "ann@example.net")
    assert await post.rows() == []


async def test_a_name_that_is_too_long_for_any_is_refused(post: Post) -> None:
    with pytest.raises(errors.InvalidUsername):
        await post.ask("x" * 513)
    with pytest.raises(errors.InvalidUsername):
        await post.ask("ä" * 257)
    assert await post.rows() == []


async def test_an_address_asks_so_often_and_others_still_may(
    post: Post, settings: dict[str, Any]
) -> None:
    """AUTH-24, AUTH-26: whoever it asks for."""
    post.local = post.local.configured(mail={**settings, "maxPerAddress": 2})
    # They are counted in this process, and by network.
    mine, other = (f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1" for _ in range(2))
    await post.account("ann", "ann@example.org")
    for name in ("ann", "nobody"):
        await post.ask(name, address=mine)
    for name in ("ann", "nobody"):
        with pytest.raises(errors.TooMuchMail) as refusal:
            await post.ask(name, address=mine)
        assert refusal.value.retry_after is not None
        assert 0 < refusal.value.retry_after <= 3600
    await post.ask("ann", address=other)


def test_addresses_are_counted_apart_by_the_hour_and_ipv6_by_its_network() -> None:
    """AUTH-24, AUTH-26"""
    allowance = Allowance()
    assert [allowance.take("192.0.2.1", 2, 1000) for _ in range(3)] == [None, None, 3599]
    assert allowance.take("192.0.2.2", 2, 1000) is None
    assert allowance.take("192.0.2.1", 2, 3_600_000) is None
    assert network("2001:db8::1") == network("2001:db8::ffff")
    assert network("2001:db8::1%eth0") == network("2001:db8::1")
    assert network("2001:db8::1") != network("2001:db8:0:1::1")
    assert network("::ffff:192.0.2.1") == "192.0.2.1"


async def test_the_outbox_holds_so_much_and_answers_alike_beyond(
    post: Post, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    post.local = post.local.configured(mail={**settings, "maxWaiting": 3})
    await post.account("ann", "ann@example.org", unverified=("ann@example.net",))
    for name in ("a", "b", "c"):
        await post.ask(name)
    assert "others are dropped" not in caplog.text
    assert await post.ask("ann") == {"acknowledged": True}
    assert len(await post.rows()) == 3
    assert "3 requests for resets wait: others are dropped" in caplog.text
    # What users do who have signed in has room of its own.
    await post.claim("ann", "ann@example.net")
    assert len(await post.rows()) == 4


async def test_only_an_address_of_ones_own_that_waits_for_it_is_verified(post: Post) -> None:
    await post.account("ann", "ann@example.org", unverified=("ann@example.net",))
    await post.account("bob", unverified=("bob@example.net",))
    for value in ("ann@example.org", "bob@example.net", "ann", "nobody@example.net", ""):
        with pytest.raises(errors.NothingToVerify):
            await post.claim("ann", value)
    assert await post.rows() == []


async def test_a_user_asks_for_so_many_verifications_an_hour(
    post: Post, settings: dict[str, Any]
) -> None:
    """Nobody's mailbox is flooded by who claims it."""
    post.local = post.local.configured(mail={**settings, "maxPerAccount": 2})
    await post.account("ann", unverified=("ann@example.net",))
    await post.claim("ann", "ann@example.net")
    await post.deliver()
    await post.claim("ann", "ann@example.net")
    with pytest.raises(errors.TooMuchMail):
        await post.claim("ann", "ann@example.net")


async def test_resets_that_strangers_ask_for_leave_users_their_verifications(
    post: Post, settings: dict[str, Any]
) -> None:
    post.local = post.local.configured(mail={**settings, "maxPerAccount": 1})
    await post.account("ann", "ann@example.org", unverified=("ann@example.net",))
    await post.ask("ann")
    await post.deliver()
    assert await post.claim("ann", "ann@example.net") == {"acknowledged": True}


async def test_an_address_is_sent_so_many_verifications_whoever_claims_it(
    post: Post, inbox: Inbox, settings: dict[str, Any]
) -> None:
    """Nobody's mailbox is flooded by many accounts; those may be gone already."""
    post.local = post.local.configured(mail={**settings, "maxPerAccount": 2})
    for number in range(3):
        await post.account(f"user{number}", unverified=("victim@example.net",))
        asking = post.claim(f"user{number}", "Victim@example.net")
        if number < 2:
            await asking
        else:
            with pytest.raises(errors.TooMuchMail):
                await asking
        await post.deliver()
        await post.local.delete(f"user{number}")
    assert len(inbox.mails) == 2
    kept = await post.rows(counted=True)
    assert [(row.kuid, row.typed) for row in kept] == [(None, None)] * 2
    assert not any(b"example" in row.recipient for row in kept)
    # They are no requests that wait, and go after an hour.
    await post.pass_by(3_600_000)
    await post.account("ann", unverified=("victim@example.net",))
    await post.claim("ann", "victim@example.net")
    await post.deliver()
    assert len(inbox.mails) == 3


async def test_of_verifications_that_are_asked_for_at_once_no_more_are_sent(
    post: Post, settings: dict[str, Any]
) -> None:
    post.local = post.local.configured(mail={**settings, "maxPerAccount": 2})
    await post.account("ann", unverified=("ann@example.net",))
    asking = [post.claim("ann", "ann@example.net") for _ in range(6)]
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert outcomes.count({"acknowledged": True}) == 2
    assert sum(isinstance(outcome, errors.TooMuchMail) for outcome in outcomes) == 4


async def test_what_is_verified_meanwhile_gets_no_mail(post: Post, inbox: Inbox) -> None:
    await post.account("ann", unverified=("ann@example.net",))
    await post.claim("ann", "ann@example.net")
    async with post.store.begin() as db:
        await db.execute(identifiers.update().values(verified_at=1))
    await post.deliver()
    assert inbox.mails == []
    assert await post.rows() == []


async def test_who_is_deleted_gets_no_mail(post: Post, inbox: Inbox) -> None:
    await post.account("ann", "ann@example.org", unverified=("ann@example.net",))
    await post.claim("ann", "ann@example.net")
    await post.local.delete("ann")
    assert await post.rows(counted=True) == []
    await post.deliver()
    assert inbox.mails == []


def test_verifications_are_for_who_has_signed_in_and_resets_for_everybody() -> None:
    (asking,) = (one for one in actions.password.actions if one.name == "requestReset")
    (claiming,) = (one for one in actions.identifier.actions if one.name == "requestVerification")
    assert (asking.signed_in, claiming.signed_in) == (False, True)
    assert core.AuthenticationRequired.id in claiming.errors


class _statements:  # noqa: N801 - it is used as a function
    """Notes the statements that any engine of SQLAlchemy runs, without their values."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def __enter__(self) -> list[str]:
        from sqlalchemy import Engine

        event.listen(Engine, "before_cursor_execute", self._note)
        return self._seen

    def __exit__(self, *_: object) -> None:
        from sqlalchemy import Engine

        event.remove(Engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        self._seen.append(statement)


async def _everything(post: Post) -> list[Any]:
    async with post.store.read() as db:
        return [(await db.execute(select(one))).all() for one in (accounts, identifiers, tickets)]
