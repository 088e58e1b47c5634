"""Promises about secrets: that they are seen nowhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from ostiary.storage.store import CORE
from ostiary.storage.tables import metadata
from ostiary.testing.promise import NotAsked, expect, promise
from ostiary.testing.promises.views import FIRST, SECOND, seen
from ostiary.testing.subject import Credentials
from ostiary.testing.telling import shown
from ostiary.testing.trial import Bench, Trial, rows_of

LONG = 8
"""Characters from which a text does not stand in another by chance."""


@promise("no view shows a secret")
async def secret_views(trial: Trial) -> None:
    """Look for secrets, and for what the store keeps of them, in all that hooks show."""
    async with trial.open() as bench:
        credentials, needles = await _marked(bench, 0)
        for hook, view in (await seen(bench, credentials)).items():
            text = json.dumps(view, default=repr, ensure_ascii=False)
            for name, needle in needles.items():
                expect(not _within(needle, text), f"{hook} shows {name}")


@promise("no error, log or repr tells a secret")
async def secret_told(trial: Trial) -> None:
    """Go through a life with its mishaps, and read everything that was told."""
    async with trial.open() as bench:
        credentials, needles = await _marked(bench, 0)
        others, more = await _marked(bench, 1)
        texts = [repr(bench.strategy)]
        await bench.create(FIRST, credentials)
        texts.append(repr(await bench.verify(credentials)))
        await bench.create(SECOND, others)
        mishaps = (
            bench.create("trial-third", credentials),
            bench.write("trial-third", credentials),
            bench.update(SECOND, credentials),
            bench.verify({**others, **{name: credentials[name] for name in needles}}),
            bench.verify({**bench.sample.unknown, **{name: others[name] for name in more}}),
        )
        for mishap in mishaps:
            error = await bench.refusal(mishap)
            texts.append("" if error is None else shown(error) + json.dumps(error.to_json()))
        for place, text in (("an error or a repr", "\n".join(texts)), ("the log", bench.told.text)):
            for name, needle in [*needles.items(), *more.items()]:
                expect(not _within(needle, text), f"{place} tells {name}")
        await _expect_unnamed(bench, credentials)


@promise("no secret is kept in clear, nor in a form that can be read back")
async def secret_store(trial: Trial) -> None:
    """Search every table and file for secrets, also encoded or hashed without a salt."""
    async with trial.open() as bench:
        credentials, needles = await _marked(bench, 0)
        others, more = await _marked(bench, 1)
        await bench.create(FIRST, others)
        await bench.update(FIRST, credentials)
        await bench.opens(credentials)
        kept = await bench.rows()
        core = await rows_of(bench.core.stores[CORE], metadata.sorted_tables)
        everything = [*needles.items(), *more.items()]
        for table, rows in [*kept.items(), *core.items()]:
            text = "\n".join(_text(value) for row in rows for value in row)
            for name, needle in everything:
                form = next(
                    (form for form, sought in _forms(needle) if _within(sought, text)), None
                )
                expect(form is None, f"the table {table} keeps {name} {form}")
        files = b"".join(_files(bench))
        for name, needle in everything:
            found = len(needle) >= LONG and needle.encode("utf-8", "surrogatepass") in files
            expect(not found, f"a file of the store keeps {name} in clear")


async def _marked(bench: Bench, n: int) -> tuple[Credentials, dict[str, str]]:
    """Return credentials whose secrets stand nowhere else, and the secrets by field.

    Where the strategy does not take a random text, it is the author's secret.
    """
    credentials = bench.sample.good(n)
    names = [name for name in bench.sample.secrets if isinstance(credentials[name], str)]
    if not names:
        raise NotAsked("no field is secret; a CredentialField says so with secret=True")
    for name in names:
        marked = {**credentials, name: f"Mark-{secrets.token_hex(12)}"}
        if await bench.refusal(bench.validate(f"trial-marked-{n}", marked)) is None:
            credentials = marked
    return credentials, {name: str(credentials[name]) for name in names}


async def _expect_unnamed(bench: Bench, credentials: Credentials) -> None:
    """Expect that a failed login is not logged with what was typed as a name (LEAK-05)."""
    identifier = bench.strategy.identifier
    if identifier is None or not isinstance(credentials.get(identifier), str):
        return
    typed, before = f"Typed-{secrets.token_hex(12)}", len(bench.told.text)
    await bench.refusal(bench.verify({**credentials, identifier: typed}))
    told = typed in bench.told.text[before:]
    expect(not told, f"the log tells the {identifier} of a failed login, which may be a password")


def _within(needle: str, text: str) -> bool:
    if len(needle) >= LONG:
        return needle in text
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(needle)}(?![0-9A-Za-z])", text) is not None


def _forms(needle: str) -> Iterator[tuple[str, str]]:
    """Yield the forms in which a secret may be kept by somebody who means no harm."""
    raw = needle.encode("utf-8", "surrogatepass")
    yield "in clear", needle
    yield "backwards", needle[::-1]
    yield "as base64", base64.b64encode(raw).decode().rstrip("=")
    yield "as base64url", base64.urlsafe_b64encode(raw).decode().rstrip("=")
    yield "as hex", raw.hex()
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, raw, usedforsecurity=False)
        yield f"as {name} without a salt", digest.hexdigest()
        yield f"as {name} without a salt", base64.b64encode(digest.digest()).decode().rstrip("=")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{value.decode('utf-8', 'replace')}\n{value.hex()}"
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _files(bench: Bench) -> Iterable[bytes]:
    """Yield the files of the stores; on PostgreSQL they are the server's."""
    folder = bench.core.settings.data.dir
    if bench.core.settings.database.url is not None or not folder.is_dir():
        return
    for file in folder.rglob("*"):
        if file.is_file():
            yield file.read_bytes()
