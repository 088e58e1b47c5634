"""How fast tokens are checked, as a share of a bare ASGI application under the same uvicorn.

Needs wrk (Debian: apt-get install wrk) and two cores: the server has one, wrk the other.

    python bench/checks.py [--seconds 5] [--rounds 3] [--keep]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driving import (
    CHECKED,
    CONNECTIONS,
    Measured,
    free_port,
    ostiary,
    posting,
    running,
    sign_up,
    wrk,
)
from goals import Figure, keeping, report

HERE = Path(__file__).parent
BARE = [
    sys.executable, "-m", "uvicorn", "bare:app", "--app-dir", str(HERE), "--no-access-log",
    "--no-server-header", "--log-level", "warning", "--port",
]  # fmt: skip


def main() -> None:
    """Measure in turn, so that a change of the machine's speed falls on all alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    keeping(parser)
    options = parser.parse_args()
    results: dict[str, list[Measured]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        bare() as bare_url,
        ostiary(folder, "--dev") as url,
    ):
        token = sign_up(url)
        for _ in range(options.rounds):
            for name, target, script in cases(bare_url, url, token):
                results.setdefault(name, []).append(wrk(target, script, options.seconds))
    show(results)
    report(list(figures(results)), keep=options.keep)


def cases(bare_url: str, url: str, token: str) -> list[tuple[str, str, str]]:
    """Return what is measured: name, URL and wrk script; bodies are checked."""
    get = f"""
        wrk.headers["Authorization"] = "Bearer {token}"
        {CHECKED.replace("WANTED", '"name":"Ann"')}
    """
    return [
        ("bare", bare_url, CHECKED.replace("WANTED", '"status":200')),
        ("POST /_checkToken", f"{url}/_checkToken", posting({"token": token}, '"valid":true')),
        ("GET /_me", f"{url}/_me", get),
    ]


@contextmanager
def bare() -> Iterator[str]:
    """Run the yardstick."""
    port = free_port()
    with running([*BARE, str(port)], port):
        yield f"http://127.0.0.1:{port}"


WANTED = {"POST /_checkToken": 0.80, "GET /_me": 0.85}
SLOWER = 1.3


def figures(results: dict[str, list[Measured]]) -> Iterator[Figure]:
    """Yield the shares of the bare application in the same round, as medians."""
    for name, wanted in WANTED.items():
        share, ratio = compared(results[name], results["bare"])
        yield Figure(goal="G1", what=f"{name}, of bare", value=share, wanted=wanted, bound="least")
        yield Figure(
            goal="G2",
            what=f"{name}, p99 of bare",
            value=ratio,
            wanted=SLOWER,
            bound="most",
            unit="x",
        )


def compared(rounds: list[Measured], yardstick: list[Measured]) -> tuple[float, float]:
    """Return the share of the rate, and how many times the p99, both as medians of the rounds."""
    pairs = list(zip(rounds, yardstick, strict=True))
    share = statistics.median(mine.rate / theirs.rate for mine, theirs in pairs)
    return share, statistics.median(mine.p99 / theirs.p99 for mine, theirs in pairs)


def show(results: dict[str, list[Measured]]) -> None:
    """Print medians, and shares of the bare application in the same round."""
    print(f"{os.uname().machine}, Python {sys.version.split()[0]}, {CONNECTIONS} connections")
    print(f"{'':20}{'req/s':>10}{'of bare':>10}{'p99 ms':>10}{'x bare':>10}")
    yardstick = results["bare"]
    for name, rounds in results.items():
        rate = statistics.median(one.rate for one in rounds)
        slow = statistics.median(one.p99 for one in rounds)
        share, ratio = compared(rounds, yardstick)
        print(f"{name:20}{rate:>10,.0f}{share:>10.0%}{slow:>10.2f}{ratio:>10.2f}")


if __name__ == "__main__":
    main()
