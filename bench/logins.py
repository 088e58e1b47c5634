"""How fast people sign in, as a share of bare argon2, and what a storm of logins costs others.

Needs wrk (Debian: apt-get install wrk) and two cores; with --postgresql a PostgreSQL server as well.

    python bench/logins.py [--seconds 4] [--rounds 3] [--postgresql] [--keep]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from driving import (
    CLIENT_CORE,
    CREDENTIALS,
    NOTHING,
    SERVER_CORE,
    Measured,
    on_postgresql,
    ostiary,
    posting,
    process_of,
    result,
    sign_up,
    started,
    wrk,
)
from goals import Figure, at_least, at_most, in_rounds, report

BOTH = f"{SERVER_CORE},{CLIENT_CORE}"

NICE = 16
"""Place of a thread's priority in its ``stat``, after its name (proc_pid_stat(5))."""

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
    parser = in_rounds(__doc__, seconds=4)
    parser.add_argument("--postgresql", action="store_true", help="logins on one core, and no more")
    options = parser.parse_args()
    print(f"{os.uname().machine}, Python {sys.version.split()[0]}; medians of the rounds")
    if options.postgresql:
        with on_postgresql() as settings:
            rounds = measure(options, settings=settings)
        report([_of_raw("G10", "logins on PostgreSQL, one core", rounds, 0.92)], keep=options.keep)
        return
    one = measure(options)
    both = measure(options, cores=BOTH, threads=2)
    storms = measure(options, storming=True)
    report([*of_logins(one, both), *of_storm(storms)], keep=options.keep)


Round = dict[str, Measured]


def measure(
    options: argparse.Namespace,
    *,
    cores: str = SERVER_CORE,
    threads: int = 1,
    storming: bool = False,
    settings: Mapping[str, str] = NOTHING,
) -> list[Round]:
    """Measure a server of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ostiary(folder, "--dev", cores=cores, settings=settings) as url,
    ):
        token = sign_up(url)
        rounds = []
        for _ in range(options.rounds):
            measured = {"raw": raw(options.seconds, cores, threads)}
            more = storm(url, token, options.seconds) if storming else logins(url, options.seconds)
            rounds.append(measured | more)
        return rounds


def raw(seconds: int, cores: str, threads: int) -> Measured:
    """Measure bare argon2."""
    command = ["taskset", "-c", cores, sys.executable, "-c", RAW, str(seconds), str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(float(done.stdout), 0, 0)


def logins(url: str, seconds: int) -> Round:
    """Measure logins; and as ``others``, in ms per login, what all but the hashes took the CPU."""
    before = others(url)
    measured = wrk(f"{url}/_login/local", posting(CREDENTIALS, '"jwt":'), seconds)
    taken = (others(url) - before) / (measured.rate * seconds)
    return {"logins": measured, "others": Measured(taken * 1000, 0, 0)}


def storm(url: str, token: str, seconds: int) -> Round:
    """Measure checks alone, and together with logins, which go on as long."""
    check = posting({"token": token}, '"valid":true')
    measured = {"checks": wrk(f"{url}/_checkToken", check, seconds)}
    storming = started(f"{url}/_login/local", posting(CREDENTIALS, '"jwt":'), seconds)
    measured["checks in a storm"] = wrk(f"{url}/_checkToken", check, seconds)
    measured["logins in a storm"] = result(storming)
    return measured


def others(url: str) -> float:
    """Return the seconds that the threads which do not stand back have had of the CPU."""
    taken = 0
    for thread in Path(f"/proc/{process_of(url)}/task").iterdir():
        nice = int((thread / "stat").read_text().rpartition(")")[2].split()[NICE])
        if nice == os.nice(0):
            taken += int((thread / "schedstat").read_text().split()[0])
    return taken / 1e9


def of_logins(one: list[Round], both: list[Round]) -> Iterator[Figure]:
    """Yield logins as a share of bare argon2 in the same round."""
    yield _of_raw("G4", "logins on one core, of bare argon2", one, 0.95)
    yield _of_raw("G4", "logins on two cores, of bare argon2", both, 0.92)
    beside = _median(one, lambda measured: measured["others"].rate)
    yield at_most("G4", "CPU of a login beside its hash", beside, 1, "ms")


def of_storm(rounds: list[Round]) -> Iterator[Figure]:
    """Yield what is left of checks while people sign in, and of logins while tokens are checked."""
    kept = _median(rounds, lambda one: one["checks in a storm"].rate / one["checks"].rate)
    slow = _median(rounds, lambda one: one["checks in a storm"].p99)
    slowest = _median(rounds, lambda one: one["checks in a storm"].slowest)
    left = _median(rounds, lambda one: one["logins in a storm"].rate / one["raw"].rate)
    beside = "checks beside 16 logins"
    yield at_least("G5", f"{beside}, of alone", kept, 0.85)
    yield at_most("G5", f"{beside}, p99", slow, 5, "ms")
    yield at_most("G5", f"{beside}, slowest", slowest, 25, "ms")
    yield at_least("G5", "logins beside 16 checks, of bare argon2", left, 0.25)


def _of_raw(goal: str, what: str, rounds: list[Round], wanted: float) -> Figure:
    share = _median(rounds, lambda one: one["logins"].rate / one["raw"].rate)
    return at_least(goal, what, share, wanted)


def _median(rounds: list[Round], of: Callable[[Round], float]) -> float:
    return statistics.median(map(of, rounds))


if __name__ == "__main__":
    main()
