"""Promises about what a client can send."""

from __future__ import annotations

from typing import Any

from ostiary import errors
from ostiary.plugins import BY_ID
from ostiary.strategies import Verified
from ostiary.testing.promise import expect, promise
from ostiary.testing.promises.views import implements
from ostiary.testing.trial import Bench, Trial

FIRST, SECOND = "trial-first", "trial-second"


def nested(depth: int) -> Any:
    """Return lists in lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


HOSTILE: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "a huge number": 10**400,
    "a fraction": -0.5,
    "a list": ["ann"],
    "an object": {"$ne": ""},
    "an empty object": {},
    "an empty text": "",
    "blanks": " \t\n",
    "NUL": "an\0n",
    "a lone surrogate": "an\ud800n",
    "another direction": "\u202enna",
    "zero width": "an\u200bn",
    "a megabyte": "a" * 2**20,
    "a megabyte of emoji": "\U0001f600" * 2**18,
    "SQL": "' OR '1'='1' --",
    "more SQL": "x'); DROP TABLE users; --",
    "a format": "%s%n{0.__class__}{}",
    "a path": "../../etc/passwd",
    "markup": "<script>alert(1)</script>",
    "line ends": "ann\r\nSet-Cookie: a=b",
    "lists a hundred deep": nested(100),
}
"""What JSON can hold, by what is meant by it."""


@promise(
    "hostile input in any field is refused with an error of the catalogue, and nothing written"
)
async def hostile(trial: Trial) -> None:
    """Ask every hook with every value in every field."""
    async with trial.open() as bench:
        sample = bench.sample
        await bench.create(FIRST, sample.good())
        before = await bench.rows()
        names = [one.name for one in sample.fields] or list(sample.good())
        for name in names:
            for what, value in HOSTILE.items():
                try:
                    await _try(bench, name, value)
                except Exception as error:
                    error.add_note(f"{what} as {name}")
                    raise
            same = {key: len(rows) for key, rows in (await bench.rows()).items()}
            expected = {key: len(rows) for key, rows in before.items()}
            expect(same == expected, f"refused values of {name} have left rows behind")


async def _try(bench: Bench, name: str, value: Any) -> None:
    credentials = {**bench.sample.good(), name: value}
    await bench.refusal(_account(bench, credentials))
    await _verify(bench, name, credentials)
    if await bench.refusal(bench.validate(SECOND, {**bench.sample.good(1), name: value})) is None:
        await bench.refusal(bench.write(SECOND, {**bench.sample.good(1), name: value}))
        await bench.erase(SECOND)
    if await bench.refusal(bench.validate(FIRST, {name: value}, partial=True)) is None:
        await bench.refusal(bench.update(FIRST, {name: value}))
        await bench.update(FIRST, bench.sample.good())
    if implements(bench, BY_ID) and isinstance(value, str):
        await bench.refusal(bench.door.get_by_id(bench.name, value))


async def _account(bench: Bench, credentials: dict[str, Any]) -> str | None:
    return bench.door.account(bench.name, credentials)


async def _verify(bench: Bench, name: str, credentials: dict[str, Any]) -> None:
    """Expect that no such value opens an account, where the field decides about it."""
    try:
        verdict = await bench.verify(credentials)
    except errors.OstiaryError:
        return
    deciding = {*bench.sample.secrets, bench.strategy.identifier}
    expect(not (name in deciding and isinstance(verdict, Verified)), "it opens an account")
