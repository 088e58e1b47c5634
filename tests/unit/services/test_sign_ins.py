"""What users are shown of their own sign-ins, by whatever clocks it was told."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ostiary.events import SignedIn

pytestmark = pytest.mark.anyio

HOUR = 3_600_000


async def test_nobody_sees_who_had_the_kuid_before_where_a_clock_was_ahead(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AZ-05: of two machines, the clock of one may be ahead."""
    services = house.services
    ahead = time.time_ns() // 1_000_000 + HOUR
    for session in ("former", "latter"):
        await house.create("ann")
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(services.events, "_clock", lambda: ahead)
            await services.events.emit(SignedIn(kuid="ann", strategy="badge", session=session))
        account = await services.accounts.find("ann")
        shown = await services.sign_ins.of(account, size=10)
        assert [one.session for one in shown] == [session]
        await services.users.delete("ann")


async def test_who_was_changed_by_a_clock_ahead_and_replaced_sees_their_sign_ins(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = house.services
    ahead = time.time_ns() // 1_000_000 + HOUR
    await house.create("ann")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(services.users, "_clock", lambda: ahead)
        await services.users.update("ann", {"a": 1}, "-1")
    replaced = await services.users.replace("ann", {}, "-1", ("default",))
    # Who has read what was there before is told that it was changed.
    assert (replaced.updated_at, replaced.updater) == (ahead + 1, None)
    await services.events.emit(SignedIn(kuid="ann", strategy="badge", session="mine"))
    account = await services.accounts.find("ann")
    assert [one.session for one in await services.sign_ins.of(account, size=10)] == ["mine"]
