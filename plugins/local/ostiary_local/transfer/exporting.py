"""Giving all accounts away, hashes included: JSON Lines that the import reads."""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import select

from ostiary import CommandError, SealBroken, Store, User, Workplace
from ostiary_local.naming import USERNAME
from ostiary_local.tables import accounts, former_passwords, identifiers
from ostiary_local.transfer import header
from ostiary_local.transfer.files import STANDARD

PAGE = 500
"""Accounts that are read together."""


async def export(place: Workplace, out: TextIO) -> int:
    """Write every account as a line; return how many there are.

    :raises CommandError: a hash cannot be opened.
    """
    count = 0
    _write(out, header.made(place.store))
    async for page in _pages(place):
        for line in page:
            _write(out, line)
        count += len(page)
    return count


@contextmanager
def new_file(file: str) -> Iterator[TextIO]:
    """Open a file that was not there, for its owner only, or standard output.

    What fails leaves no half of it.

    :raises CommandError: it is there, or cannot be made.
    """
    if file == STANDARD:
        yield sys.stdout
        return
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(file, flags, 0o600)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    try:
        with open(descriptor, "w", encoding="utf-8") as out:  # noqa: PTH123 - it is a descriptor
            yield out
            out.flush()
            os.fsync(descriptor)
    except OSError as error:
        Path(file).unlink(missing_ok=True)
        raise CommandError(f"{file}: {error.strerror}") from None
    except BaseException:
        Path(file).unlink(missing_ok=True)
        raise


async def _pages(place: Workplace) -> AsyncIterator[list[dict[str, Any]]]:
    wanted = select(accounts).order_by(accounts.c.kuid).limit(PAGE)
    last = None
    while True:
        page = wanted if last is None else wanted.where(accounts.c.kuid > last)
        async with place.store.read() as db:
            rows = (await db.execute(page)).all()
            kuids = [row.kuid for row in rows]
            mine = select(identifiers).where(identifiers.c.kuid.in_(kuids))
            named = (await db.execute(mine.order_by(identifiers.c.created_at))).all()
            mine = select(former_passwords).where(former_passwords.c.kuid.in_(kuids))
            former = (await db.execute(mine.order_by(former_passwords.c.archived_at))).all()
        if not rows:
            return
        last = rows[-1].kuid
        users, names, passwords = await place.users(kuids), _by_kuid(named), _by_kuid(former)
        # Who is no user is just being made, or erased.
        yield [
            _line(place.store, row, names[row.kuid], passwords[row.kuid], users[row.kuid])
            for row in rows
            if row.kuid in users
        ]


def _by_kuid(rows: Sequence[Any]) -> Mapping[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.kuid].append(row)
    return found


def _line(
    store: Store, row: Any, names: Sequence[Any], former: Sequence[Any], user: User
) -> dict[str, Any]:
    username = next((name.value for name in names if name.kind == USERNAME), None)
    return {
        **({} if username is None else {"username": username}),
        "kuid": row.kuid,
        **_addresses(names),
        **_hash(store, row, accounts.c.imported, row.kuid),
        "passwordSetAt": row.password_set_at,
        "updater": row.updater,
        "formerPasswords": [
            {
                **_hash(store, one, former_passwords.c.imported, one.id),
                "setAt": one.set_at,
                "archivedAt": one.archived_at,
            }
            for one in former
        ],
        "profileIds": list(user.profile_ids),
        "content": dict(user.content),
    }


def _addresses(names: Sequence[Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name in names:
        if name.kind != USERNAME:
            found[f"{name.kind}s"].append({"value": name.value, "verifiedAt": name.verified_at})
    return found


def _hash(store: Store, row: Any, column: Any, place: str) -> dict[str, Any]:
    """Return what proves a password: ours, one of another system, or ours around such a one."""
    text = None
    if row.imported is not None:
        try:
            text = store.sealer.open(row.imported, column=column, row=place).decode()
        except SealBroken as error:
            raise CommandError(f"user {row.kuid}: {error}; nothing is exported") from None
    if row.hash is None:
        return {"hash": text}
    wrapped = {} if text is None else {"wrapped": text}
    return {"hash": row.hash, "peppered": True, **wrapped}


def _write(out: TextIO, line: Mapping[str, Any]) -> None:
    print(json.dumps(line), file=out)
