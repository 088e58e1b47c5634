"""What a second worker gives, and what a plugin costs that is loaded and not used.

Needs wrk and two cores, which the servers and wrk share; so does the application that checks are
compared with.

    python bench/workers.py [--seconds 4] [--rounds 3] [--keep]
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

from checks import BARE
from driving import (
    CLIENT_CORE,
    CREDENTIALS,
    SERVER_CORE,
    Measured,
    free_port,
    ostiary,
    posting,
    running,
    sign_up,
    wrk,
)
from goals import Figure, at_least, at_most, in_rounds, report

BOTH = f"{SERVER_CORE},{CLIENT_CORE}"
LOGIN = posting(CREDENTIALS, '"jwt":')
ALONE = {"OSTIARY_PLUGINS__ALLOW": "local"}
"""Settings by which the other strategies that are installed are not loaded."""

Round = dict[str, Measured]


def main() -> None:
    """Measure in turn, so that a change of the machine's speed falls on all alike."""
    options = in_rounds(__doc__, seconds=4).parse_args()
    with ExitStack() as stack:
        ports = {workers: free_port() for workers in (1, 2)}
        two = ["--workers", "2"]
        stack.enter_context(running([*BARE, str(ports[2]), *two], ports[2], BOTH))

        def server(*arguments: str, cores: str = SERVER_CORE, **settings: str) -> tuple[str, str]:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            running = ostiary(folder, "--dev", *arguments, cores=cores, settings=settings)
            url = stack.enter_context(running)
            return url, posting({"token": sign_up(url)}, '"valid":true')

        one, pair = server(), server(*two, cores=BOTH)
        bare = server(**ALONE)
        rounds: list[Round] = []
        for _ in range(options.rounds):
            seconds = options.seconds
            rounds.append(
                {
                    "one": wrk(f"{one[0]}/_login/local", LOGIN, seconds),
                    "two": wrk(f"{pair[0]}/_login/local", LOGIN, seconds),
                    "without": wrk(f"{bare[0]}/_login/local", LOGIN, seconds),
                    "checks": wrk(f"{pair[0]}/_checkToken", pair[1], seconds),
                    "bare": wrk(f"http://127.0.0.1:{ports[2]}", 'wrk.method = "GET"', seconds),
                    "checks of one": wrk(f"{one[0]}/_checkToken", one[1], seconds),
                    "checks without": wrk(f"{bare[0]}/_checkToken", bare[1], seconds),
                }
            )
    report(list(figures(rounds)), keep=options.keep)


def figures(rounds: list[Round]) -> Iterator[Figure]:
    """Yield what there is of each goal, as medians of the rounds."""

    def share(part: str, whole: str) -> float:
        return statistics.median(one[part].rate / one[whole].rate for one in rounds)

    longer = statistics.median(
        1000 / one["one"].rate - 1000 / one["without"].rate for one in rounds
    )
    taken = 1 - share("checks of one", "checks without")
    yield at_least("G9", "logins of two workers, of one", share("two", "one"), 1.85, "x")
    yield at_least("G9", "checks of two workers, of bare", share("checks", "bare"), 0.75)
    yield at_most("G9", "a loaded strategy takes of checks", taken, 0.01)
    yield at_most("G9", "a loaded strategy takes of a login", longer, 1, "ms")


if __name__ == "__main__":
    main()
