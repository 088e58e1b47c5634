"""Whether the time of an answer tells if somebody who asks for a reset has an account (AUTH-02).

Names that exist, each with a verified address, and names that do not are asked for in random
order, each once, over one connection, while mail to those that exist is delivered to an SMTP
server in another process. The two distributions of times are compared, and so are those of the
requests that come right after: the work that a name makes must not be felt there either. Ends
with 1 if they differ.

    python bench/resets.py [--attempts 2000]
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from driving import free_port, ostiary
from timing import WARMING, alike, create, names, timed

MAIL = {
    "HOST": "127.0.0.1",
    "SECURITY": "none",
    "FROM": "no-reply@example.com",
    "RESET_URL": "https://app.example.com/reset",
    "MAX_PER_ADDRESS": "10000000",
    "MAX_WAITING": "10000000",
}


def main() -> None:
    """Make accounts with addresses, ask for them and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=2000, help="half of them to each kind")
    half = parser.parse_args().attempts // 2
    known, unknown = names("k", half), names("u", half)
    with tempfile.TemporaryDirectory() as folder, sink() as port:
        given = {**MAIL, "PORT": str(port)}
        settings = {f"OSTIARY_PLUGINS__LOCAL__MAIL__{key}": given[key] for key in given}
        with ostiary(folder, "--dev", settings=settings) as url:
            for name in known:
                create(url, name)
            verify(Path(folder) / "local.db", known)
            own, after = measure(url, known, unknown)
    print("of the request itself")
    good = alike(own["known"], own["unknown"])
    print("of the request that follows")
    good = alike(after["known"], after["unknown"]) and good
    sys.exit(0 if good else 1)


@contextmanager
def sink() -> Iterator[int]:
    """Run an SMTP server that takes everything and keeps nothing."""
    port = free_port()
    command = [sys.executable, "-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Sink"]
    process = subprocess.Popen([*command, "-l", f"127.0.0.1:{port}"])
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def verify(file: Path, accounts: Iterable[str]) -> None:
    """Give each account a verified address; in a test that is quicker than by mail."""
    rows = [(address, address, "email", name, 1, 1) for name, address in addresses(accounts)]
    with closing(sqlite3.connect(file)) as store, store:
        into = "INSERT INTO identifiers (key, value, kind, kuid, verified_at, created_at) "
        kuid = "(SELECT kuid FROM identifiers WHERE value = ?)"
        store.executemany(f"{into} VALUES (?, ?, ?, {kuid}, ?, ?)", rows)


def addresses(accounts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the names of accounts, and an address for each."""
    for name in accounts:
        yield name, f"{name}@example.org"


def measure(
    url: str, known: list[str], unknown: list[str]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the times of the requests for each kind of names, and of those after them, in ms."""
    connection = HTTPConnection(urlsplit(url).netloc)
    for name in names("w", WARMING):
        ask(connection, name)
    attempts = [("known", name) for name in known] + [("unknown", name) for name in unknown]
    random.shuffle(attempts)
    own: dict[str, list[float]] = {"known": [], "unknown": []}
    after: dict[str, list[float]] = {"known": [], "unknown": []}
    for kind, name in attempts:
        own[kind].append(ask(connection, name))
        after[kind].append(look(connection))
    return own, after


def ask(connection: HTTPConnection, name: str) -> float:
    """Return how long the answer to a request for a reset took, in ms."""
    return timed(connection, "/_/password/requestReset", {"username": name}, wanted=200)


def look(connection: HTTPConnection) -> float:
    """Return how long a request took that does next to nothing, in ms."""
    return timed(connection, "/_checkToken", {"token": "none"}, wanted=200)


if __name__ == "__main__":
    main()
