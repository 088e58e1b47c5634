"""Work in the background: it is done, or the log says why not."""

from __future__ import annotations

import asyncio
import logging

import pytest

from ostiary import errors
from ostiary.services.background import Background

pytestmark = pytest.mark.anyio


async def test_what_was_begun_is_finished_before_the_server_stops() -> None:
    background, done = Background(), []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    background.start("counting", work())
    assert done == []
    await background.finish()
    assert done == [1]


async def test_what_takes_too_long_is_given_up_and_told(caplog: pytest.LogCaptureFixture) -> None:
    background = Background()
    background.start("waiting", asyncio.sleep(60))
    await background.finish(0.01)
    assert "waiting was given up" in caplog.text


async def test_a_failure_is_told_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """LEAK-05: what an exception says may be what a client sent."""
    caplog.set_level(logging.INFO)
    background = Background()

    async def fail() -> None:
        raise ValueError("hunter2")

    async def refuse() -> None:
        raise errors.RoleNotFound("nobody")

    background.start("failing", fail())
    background.start("asking", refuse())
    background.start("sleeping", asyncio.sleep(0))
    await background.finish()
    assert "failing failed: ValueError at" in caplog.text
    assert "asking ended early: security.role.not_found ['nobody']" in caplog.text
    assert "sleeping is done" in caplog.text
    assert "hunter2" not in caplog.text


async def test_there_may_be_nothing_to_finish() -> None:
    await Background().finish()
