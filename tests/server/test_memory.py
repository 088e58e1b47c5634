"""Growth: the memory of a process does not follow the number of tokens that it is shown."""

from __future__ import annotations

import gc
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from ostiary.clock import now
from ostiary.composition import Core
from ostiary.services.batches import Batch
from ostiary.services.minting import fingerprint_of
from ostiary.services.signing import SESSION
from ostiary.settings import Settings, load
from ostiary.startup import establish, opened
from ostiary.storage.store import CORE
from ostiary.storage.tables import tokens, user_profiles, users

pytestmark = pytest.mark.anyio

HOUR = 3_600_000
MIB = 2**20
STATM = Path("/proc/self/statm")
NESTED: Any = [[[[]]] * 40] * 20
CONTENTS: list[dict[str, Any]] = [
    {"name": "Somebody", "email": "somebody@example.com"},
    {"texts": ["a", "b" * 200] * 50},
    {"numbers": [1.5, 10**6] * 200},
    {"lists": NESTED},
    {"objects": [{"a": {}, "b": "x"}] * 50},
    {},
]
"""Properties of some shapes, for which JSON needs little and memory much, or the other way round."""


def settings_for(folder: Path, cache: int) -> Settings:
    overrides = {"data.dir": str(folder / "data"), "server.cacheSize": cache}
    return load(config=None, environment={}, overrides=overrides)


async def filled(core: Core, name: str, number: int, content: dict[str, Any]) -> list[str]:
    """Write users, and return a token of each, which was last used an hour ago."""
    await establish(core)
    await core.signing_keys.load()
    given, rows, kuids = [], [], [f"{name}-{one:06}" for one in range(number)]
    issued = now() - HOUR
    for kuid in kuids:
        token, jti, key = await core.signing_keys.mint(
            SESSION, kuid, issued_at=issued, expires_at=issued + 2 * HOUR
        )
        given.append(token)
        rows.append({
            "fingerprint": fingerprint_of(token), "kuid": kuid, "generation": "1", "jti": jti,
            "key_id": key, "issued_at": issued, "expires_at": issued + 2 * HOUR,
            "single_use": False, "strategy": "local", "last_seen": issued,
        })  # fmt: skip
    person = {"generation": "1", "status": "enabled", "created_at": issued, "content": content}
    persons = [{"kuid": kuid, **person} for kuid in kuids]
    held = [{"kuid": kuid, "position": 0, "profile_id": "default"} for kuid in kuids]
    async with core.stores[CORE].begin() as db:
        await db.execute(insert(users), persons)
        await db.execute(insert(user_profiles), held)
        await db.execute(insert(tokens), rows)
    return given


async def show(core: Core, given: list[str]) -> None:
    """Have each token looked up, once."""
    for token in given:
        await core.services.tokens.find(token)


def resident() -> int:
    """Return the bytes of memory that this process uses."""
    return int(STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not STATM.exists(), reason="only Linux tells what a process uses")
async def test_fifty_thousand_tokens_take_no_more_memory_than_they_may(tmp_path: Path) -> None:
    """Issue 7, 3: memory per live token is bounded by a cache with a size."""
    number = 50_000
    async with opened(settings_for(tmp_path, 4 * MIB)) as core:
        given = await filled(core, "user", number, CONTENTS[0])
        await show(core, given[:5000])
        gc.collect()
        before = resident()
        await show(core, given)
        gc.collect()
        # When each was used waits to be written; a session takes five times as much.
        assert resident() - before < number * 400
        activity, written = core.services.activity, 0
        while count := await activity.flush(Batch(2000)):
            written += count
        assert written == number
        async with core.stores[CORE].read() as db:
            assert await db.scalar(select(func.min(tokens.c.last_seen))) > now() - HOUR // 2


async def test_what_is_remembered_takes_no_more_than_it_is_thought_to(tmp_path: Path) -> None:
    """Issue 7, 3: nobody makes users of a shape for which the size of the cache is no bound."""
    async with opened(settings_for(tmp_path, 512 * MIB)) as core:
        for shape, content in enumerate(CONTENTS):
            given = await filled(core, f"shape{shape}", 200, content)
            await show(core, given[:10])
            gc.collect()
            tracemalloc.start()
            try:
                await show(core, given[10:])
                gc.collect()
                used = tracemalloc.get_traced_memory()[0]
            finally:
                tracemalloc.stop()
            sessions = [core.services.tokens.peek(token) for token in given[10:]]
            thought = sum(0 if session is None else session.size for session in sessions)
            assert 0.3 * thought < used < 1.2 * thought, content
