"""How fast people sign in, as a share of bare argon2, and what a storm of logins costs others.

Needs wrk (Debian: apt-get install wrk) and two cores.

    python bench/logins.py [--seconds 5] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable

from driving import (
    CLIENT_CORE,
    CREDENTIALS,
    SERVER_CORE,
    Measured,
    ostiary,
    posting,
    result,
    sign_up,
    started,
    wrk,
)

BOTH = f"{SERVER_CORE},{CLIENT_CORE}"

RAW = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from argon2 import PasswordHasher
seconds, threads = float(sys.argv[1]), int(sys.argv[2])
hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
stored = hasher.hash("x")
def work(_):
    done = 0
    while time.monotonic() < end:
        hasher.verify(stored, "x")
        done += 1
    return done
end = time.monotonic() + seconds
with ThreadPoolExecutor(threads) as pool:
    print(sum(pool.map(work, range(threads))) / seconds)
"""
"""As many hashes as a machine makes that does nothing else."""


def main() -> None:
    """Measure in turn, so that a change of the machine's speed falls on all alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{os.uname().machine}, Python {sys.version.split()[0]}; medians of the rounds")
    with tempfile.TemporaryDirectory() as folder, ostiary(folder, "--dev") as url:
        token = sign_up(url)
        rounds = [storm(url, token, options.seconds) for _ in range(options.rounds)]
    report_logins("one core", rounds)
    report_storm(rounds)
    with tempfile.TemporaryDirectory() as folder, ostiary(folder, "--dev", cores=BOTH) as url:
        sign_up(url)
        both = [logins(url, options.seconds, BOTH, 2) for _ in range(options.rounds)]
    report_logins("two cores", both)


Round = dict[str, Measured]


def logins(url: str, seconds: int, cores: str, threads: int) -> Round:
    """Measure bare argon2, and logins on the same cores."""
    command = ["taskset", "-c", cores, sys.executable, "-c", RAW, str(seconds), str(threads)]
    raw = subprocess.run(command, check=True, capture_output=True, text=True)
    return {
        "raw": Measured(float(raw.stdout), 0, 0),
        "logins": wrk(f"{url}/_login/local", posting(CREDENTIALS, '"jwt":'), seconds),
    }


def storm(url: str, token: str, seconds: int) -> Round:
    """Measure logins alone, checks alone, and both together, on one core."""
    check = posting({"token": token}, '"valid":true')
    measured = logins(url, seconds, SERVER_CORE, 1)
    measured["checks"] = wrk(f"{url}/_checkToken", check, seconds)
    storming = started(f"{url}/_login/local", posting(CREDENTIALS, '"jwt":'), seconds)
    measured["checks in a storm"] = wrk(f"{url}/_checkToken", check, seconds)
    measured["logins in a storm"] = result(storming)
    return measured


def report_logins(where: str, rounds: list[Round]) -> None:
    """Print logins as a share of bare argon2 in the same round."""
    rate = _median(rounds, lambda one: one["logins"].rate)
    share = _median(rounds, lambda one: one["logins"].rate / one["raw"].rate)
    print(f"logins, {where}: {rate:.1f}/s, {share:.0%} of bare argon2")


def report_storm(rounds: list[Round]) -> None:
    """Print what is left of checks while people sign in, and of logins while tokens are checked."""
    kept = _median(rounds, lambda one: one["checks in a storm"].rate / one["checks"].rate)
    slow = _median(rounds, lambda one: one["checks in a storm"].p99)
    slowest = _median(rounds, lambda one: one["checks in a storm"].slowest)
    left = _median(rounds, lambda one: one["logins in a storm"].rate / one["raw"].rate)
    print(f"checks beside 16 logins: {kept:.0%} of alone, p99 {slow:.1f} ms, max {slowest:.1f} ms")
    print(f"logins beside 16 checks: {left:.0%} of bare argon2")


def _median(rounds: list[Round], of: Callable[[Round], float]) -> float:
    return statistics.median(map(of, rounds))


if __name__ == "__main__":
    main()
