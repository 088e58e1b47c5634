"""How fast tokens are checked, as a share of a bare ASGI application under the same uvicorn.

The server runs as in production, with its own protocol class and with that of uvicorn.

Needs wrk (Debian: apt-get install wrk) and two cores: the server has one, wrk the other; with
--postgresql, where one more server runs on it, PostgreSQL as well.

    python bench/checks.py [--seconds 5] [--rounds 3] [--postgresql] [--keep]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from driving import (
    CHECKED,
    CLOSED,
    CONNECTIONS,
    NOTHING,
    Measured,
    free_port,
    on_postgresql,
    ostiary,
    posting,
    running,
    sign_up_closed,
    wrk,
)
from goals import Figure, at_least, at_most, in_rounds, report

HERE = Path(__file__).parent
ON_POSTGRESQL = ", PostgreSQL"
STOCK = {"OSTIARY_SERVER__PROTOCOL": "stock"}
BARE = [
    sys.executable, "-m", "uvicorn", "bare:app", "--app-dir", str(HERE), "--no-access-log",
    "--no-server-header", "--log-level", "warning", "--port",
]  # fmt: skip


def main() -> None:
    """Measure in turn, so that a change of the machine's speed falls on all alike."""
    parser = in_rounds(__doc__, seconds=5)
    parser.add_argument("--postgresql", action="store_true", help="one more server on it")
    options = parser.parse_args()
    results: dict[str, list[Measured]] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        bare_url = stack.enter_context(bare())
        measured = [("bare", bare_url, CHECKED.replace("WANTED", '"status":200'))]
        servers: dict[str, Mapping[str, str]] = {"": NOTHING, ", stock": STOCK}
        if options.postgresql:
            servers[ON_POSTGRESQL] = stack.enter_context(on_postgresql())
        for suffix, more in servers.items():
            server = ostiary(f"{folder}/data{suffix}", settings={**CLOSED, **more})
            measured += cases(suffix, stack.enter_context(server))
        for _ in range(options.rounds):
            for name, target, script in measured:
                results.setdefault(name, []).append(wrk(target, script, options.seconds))
    show(results)
    report(list(figures(results)), keep=options.keep)


def cases(suffix: str, url: str) -> list[tuple[str, str, str]]:
    """Return what is measured of a server: name, URL and wrk script; bodies are checked."""
    token = sign_up_closed(url)
    get = f"""
        wrk.headers["Authorization"] = "Bearer {token}"
        {CHECKED.replace("WANTED", '"name":"Ann"')}
    """
    check = posting({"token": token}, '"valid":true')
    return [
        (f"POST /_checkToken{suffix}", f"{url}/_checkToken", check),
        (f"GET /_me{suffix}", f"{url}/_me", get),
    ]


@contextmanager
def bare() -> Iterator[str]:
    """Run the yardstick."""
    port = free_port()
    with running([*BARE, str(port)], port):
        yield f"http://127.0.0.1:{port}"


WANTED = {
    "POST /_checkToken": (0.80, 1.3),
    "GET /_me": (0.85, 1.3),
    "POST /_checkToken, stock": (0.60, 1.6),
    "GET /_me, stock": (0.60, 1.6),
}
"""The least share of the bare application's rate, and how many times its p99 at most."""


def figures(results: dict[str, list[Measured]]) -> Iterator[Figure]:
    """Yield the shares of the bare application in the same round, as medians."""
    for name, (least, most) in WANTED.items():
        share, ratio = compared(results[name], results["bare"])
        yield at_least("G1", f"{name}, of bare", share, least)
        yield at_most("G2", f"{name}, p99 of bare", ratio, most, "x")
        if (there := results.get(name + ON_POSTGRESQL)) is not None:
            share, _ = compared(there, results[name])
            yield at_least("G10", f"{name} on PostgreSQL, of SQLite", share, 0.98)


def compared(rounds: list[Measured], yardstick: list[Measured]) -> tuple[float, float]:
    """Return the share of the rate, and how many times the p99, both as medians of the rounds."""
    pairs = list(zip(rounds, yardstick, strict=True))
    share = statistics.median(mine.rate / theirs.rate for mine, theirs in pairs)
    return share, statistics.median(mine.p99 / theirs.p99 for mine, theirs in pairs)


def show(results: dict[str, list[Measured]]) -> None:
    """Print medians, and shares of the bare application in the same round."""
    print(f"{os.uname().machine}, Python {sys.version.split()[0]}, {CONNECTIONS} connections")
    print(f"{'':32}{'req/s':>10}{'of bare':>10}{'p99 ms':>10}{'x bare':>10}")
    yardstick = results["bare"]
    for name, rounds in results.items():
        rate = statistics.median(one.rate for one in rounds)
        slow = statistics.median(one.p99 for one in rounds)
        share, ratio = compared(rounds, yardstick)
        print(f"{name:32}{rate:>10,.0f}{share:>10.0%}{slow:>10.2f}{ratio:>10.2f}")


if __name__ == "__main__":
    main()
