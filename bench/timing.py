"""Whether the time of a refused login tells if the user name exists (AUTH-02 of the plugin `local`).

Names that exist and names that do not are tried in random order, each once, with wrong passwords,
over one connection, and the two distributions of times are compared. Ends with 1 if they differ.

    python bench/timing.py [--attempts 2000]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

from driving import ostiary, post

WITHIN = 0.10
"""How far the ratio of the medians may be from one."""

CERTAIN = 0.001
"""Below this probability of chance, the distributions differ: one false alarm in 500 runs."""

WARMING = 50
"""Attempts that are made first, and not counted."""

UNLIMITED = {
    # Each name is tried once, so that only the limit of the address would get in the way.
    "OSTIARY_LIMITS__LOGIN_FAILURES_PER_ADDRESS": "10000000",
}


def main() -> None:
    """Make accounts, start the server again as in production, try and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=2000, help="half of them to each kind")
    options = parser.parse_args()
    half = options.attempts // 2
    known, unknown = names("k", half), names("u", half)
    with tempfile.TemporaryDirectory() as folder:
        with ostiary(folder, "--dev") as url:
            for name in known:
                create(url, name)
        close(folder)
        with ostiary(folder, settings=UNLIMITED) as url:
            times = measure(url, known, unknown)
    sys.exit(0 if alike(times["known"], times["unknown"]) else 1)


def names(prefix: str, count: int) -> list[str]:
    """Return random names, all of one length."""
    return [f"{prefix}{secrets.token_hex(8)}" for _ in range(count)]


def create(url: str, name: str) -> None:
    """Create a user who signs in with a password."""
    credentials = {"username": name, "password": secrets.token_hex(16)}
    content = {"profileIds": ["default"]}
    post(f"{url}/users/_create", {"content": content, "credentials": {"local": credentials}})


def close(folder: str) -> None:
    """Make of a server that `--dev` opened one of production, with an administrator."""
    for arguments in (["create", "root"], ["restrict"]):
        command = [sys.executable, "-m", "ostiary", "admin", *arguments[:1], "--data", folder]
        password = f"{secrets.token_hex(16)}\n"
        subprocess.run(
            [*command, *arguments[1:]], input=password, text=True, check=True, capture_output=True
        )


def measure(url: str, known: list[str], unknown: list[str]) -> dict[str, list[float]]:
    """Return the times of the attempts on each kind of names, in ms."""
    connection = HTTPConnection(urlsplit(url).netloc)
    for name in names("w", WARMING):
        attempt(connection, name)
    attempts = [("known", name) for name in known] + [("unknown", name) for name in unknown]
    random.shuffle(attempts)
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    for kind, name in attempts:
        times[kind].append(attempt(connection, name))
    return times


def attempt(connection: HTTPConnection, name: str) -> float:
    """Return how long a refusal took, in ms."""
    body = {"username": name, "password": secrets.token_hex(16)}
    return timed(connection, "/_login/local", body, wanted=401)


def timed(connection: HTTPConnection, path: str, body: dict[str, str], *, wanted: int) -> float:
    """Return how long an answer took, in ms; one of another status than is wanted ends the run."""
    content = json.dumps(body)
    start = time.perf_counter()
    connection.request("POST", path, content, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    told = answer.read()
    end = time.perf_counter()
    if answer.status != wanted:
        sys.exit(f"wrong answer: {answer.status} {told.decode()}")
    return (end - start) * 1000


def alike(known: list[float], unknown: list[float]) -> bool:
    """Print the comparison and tell whether nothing is learnt from the times."""
    ratio = statistics.median(known) / statistics.median(unknown)
    ranks, shapes = mann_whitney(known, unknown), kolmogorov_smirnov(known, unknown)
    for kind, times in (("known", known), ("unknown", unknown)):
        deciles = statistics.quantiles(times, n=10)
        print(
            f"{kind:10}{len(times):>7} attempts, median {statistics.median(times):.3f} ms, "
            f"from {deciles[0]:.3f} to {deciles[-1]:.3f} ms for eight of ten"
        )
    print(f"ratio of the medians: {ratio:.4f}")
    print(f"Mann-Whitney: a known name takes longer in {ranks[0]:.2%} of pairs, p = {ranks[1]:.4f}")
    print(f"Kolmogorov-Smirnov: D = {shapes[0]:.4f}, p = {shapes[1]:.4f}")
    good = abs(ratio - 1) <= WITHIN and min(ranks[1], shapes[1]) >= CERTAIN
    print("the times tell nothing" if good else "THE TIMES TELL WHICH NAMES EXIST")
    return good


def mann_whitney(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    """Return how often one of ours is greater than one of theirs, and the chance of that (two-sided).

    The normal approximation, for samples of more than twenty; times on this clock have no ties
    worth correcting for.
    """
    ranked = sorted([(time, 1) for time in ours] + [(time, 0) for time in theirs])
    total = sum(rank for rank, (_, mine) in enumerate(ranked, 1) if mine)
    n, m = len(ours), len(theirs)
    greater = total - n * (n + 1) / 2
    deviation = math.sqrt(n * m * (n + m + 1) / 12)
    z = abs(greater - n * m / 2) / deviation
    return greater / (n * m), 2 * statistics.NormalDist().cdf(-z)


def kolmogorov_smirnov(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    """Return the greatest distance of the two distributions, and the chance of one as great."""
    ranked = sorted([(time, 1) for time in ours] + [(time, 0) for time in theirs])
    n, m, mine, distance = len(ours), len(theirs), 0, 0.0
    for seen, (_, is_mine) in enumerate(ranked, 1):
        mine += is_mine
        distance = max(distance, abs(mine / n - (seen - mine) / m))
    root = math.sqrt(n * m / (n + m))
    scaled = (root + 0.12 + 0.11 / root) * distance
    chance = 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return distance, min(1.0, max(0.0, chance))


if __name__ == "__main__":
    main()
