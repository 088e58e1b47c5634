"""Events reach each plugin, and a plugin that is slow or broken costs nobody else."""

from __future__ import annotations

import asyncio
import logging

import pytest

from ostiary.events import Event, UserDeleted, UserEnabled
from ostiary.services.deliveries import Deliveries

pytestmark = pytest.mark.anyio

ANN, BOB = UserDeleted(kuid="ann"), UserEnabled(kuid="bob")


class Listener:
    """Keeps what it hears, and does whatever else it is told to."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.heard: list[Event] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._fault = fault

    async def __call__(self, event: Event) -> None:
        await self.gate.wait()
        self.heard.append(event)
        if self._fault is not None:
            raise self._fault


async def test_events_come_in_their_order_and_before_the_process_ends() -> None:
    one, other = Listener(), Listener()
    deliveries = Deliveries({"one": one, "other": other})
    for event in (ANN, BOB):
        deliveries.put(event)
    assert one.heard == []
    await deliveries.close()
    assert one.heard == other.heard == [ANN, BOB]


@pytest.mark.parametrize("fault", [ValueError("a secret"), SystemExit(1)])
async def test_what_a_plugin_raises_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture, fault: BaseException
) -> None:
    """LEAK-05."""
    broken, sound = Listener(fault), Listener()
    deliveries = Deliveries({"broken": broken, "sound": sound})
    for event in (ANN, BOB):
        deliveries.put(event)
    await deliveries.close()
    assert broken.heard == sound.heard == [ANN, BOB]
    assert "plugin broken failed over the event UserDeleted" in caplog.text
    assert "a secret" not in caplog.text


async def test_a_plugin_that_hangs_loses_the_event_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow, quick = Listener(), Listener()
    slow.gate.clear()
    deliveries = Deliveries({"slow": slow, "quick": quick}, limit=0.01)
    deliveries.put(ANN)
    await deliveries.close()
    slow.gate.set()
    deliveries.put(BOB)
    await deliveries.close()
    assert (slow.heard, quick.heard) == ([BOB], [ANN, BOB])
    assert "plugin slow took too long over the event UserDeleted" in caplog.text


async def test_no_more_events_wait_than_there_is_room_for(caplog: pytest.LogCaptureFixture) -> None:
    slow = Listener()
    slow.gate.clear()
    deliveries = Deliveries({"slow": slow}, most=3)
    for _ in range(10):
        deliveries.put(ANN)
    slow.gate.set()
    await deliveries.close()
    assert len(slow.heard) == 3
    assert "was too slow for 7 events" in caplog.text


async def test_an_end_waits_only_so_long(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    slow = Listener()
    slow.gate.clear()
    deliveries = Deliveries({"slow": slow})
    for _ in range(4):
        deliveries.put(ANN)
    await asyncio.sleep(0)
    await deliveries.close(patience=0)
    assert "4 events for plugin slow are lost" in caplog.text
    deliveries.put(BOB)
    slow.gate.set()
    await deliveries.close()
    assert BOB in slow.heard
