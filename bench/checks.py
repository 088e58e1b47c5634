"""How fast tokens are checked, as a share of a bare ASGI application under the same uvicorn.

Needs wrk (Debian: apt-get install wrk) and two cores: the server has one, wrk the other.

    python bench/checks.py [--seconds 5] [--rounds 3]
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
    report(results)


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


def report(results: dict[str, list[Measured]]) -> None:
    """Print medians, and shares of the bare application in the same round."""
    print(f"{os.uname().machine}, Python {sys.version.split()[0]}, {CONNECTIONS} connections")
    print(f"{'':20}{'req/s':>10}{'of bare':>10}{'p99 ms':>10}{'x bare':>10}")
    yardstick = results["bare"]
    for name, rounds in results.items():
        pairs = list(zip(rounds, yardstick, strict=True))
        rate = statistics.median(one.rate for one in rounds)
        slow = statistics.median(one.p99 for one in rounds)
        share = statistics.median(mine.rate / theirs.rate for mine, theirs in pairs)
        ratio = statistics.median(mine.p99 / theirs.p99 for mine, theirs in pairs)
        print(f"{name:20}{rate:>10,.0f}{share:>10.0%}{slow:>10.2f}{ratio:>10.2f}")


if __name__ == "__main__":
    main()
