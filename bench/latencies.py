"""How long logins and checks take while both come at a steady rate (REL-05).

Two workers' worth of cores for one worker and its clients, as on the machine that the goals name;
20 logins a second of one account beside 500 checks a second, each begun on time whether those
before it are answered or not: what waits is counted from when it should have begun.

    python bench/latencies.py [--seconds 15] [--keep]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from itertools import cycle

from asking import Asking, request
from driving import CLIENT_CORE, CREDENTIALS, SERVER_CORE, ostiary, percentile, post, sign_up
from goals import Figure, at_most, keeping, report

ACCOUNTS, LOGINS, CHECKS, CROWD = 100, 20, 500, 128
BOTH = f"{SERVER_CORE},{CLIENT_CORE}"


def main() -> None:
    """Measure one server, first at the steady rates and then under the crowd."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=15)
    keeping(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ostiary(folder, "--dev", cores=BOTH) as url:
        token = sign_up(url)
        accounts = [created(url, f"user-{number}") for number in range(ACCOUNTS)]
        figures = asyncio.run(measure(url, token, accounts, options.seconds))
    report(figures, keep=options.keep)


def created(url: str, name: str) -> dict[str, str]:
    """Create a user and return their credentials."""
    credentials = {**CREDENTIALS, "username": name}
    new = {"content": {"profileIds": ["default"]}, "credentials": {"local": credentials}}
    post(f"{url}/users/_create", new)
    return credentials


async def measure(
    url: str, token: str, accounts: list[dict[str, str]], seconds: int
) -> list[Figure]:
    """Return every figure of the goal."""
    client = Asking(url)
    to_login = cycle([request("POST", "/_login/local", one) for one in accounts])
    to_check = request("POST", "/_checkToken", {"token": token})
    to_show_me = request("GET", "/_me", headers={"Authorization": f"Bearer {token}"})
    to_ping = request("GET", "/_healthcheck")

    async def login() -> None:
        assert (await client.ask(next(to_login))).result["jwt"]

    async def login_in_a_crowd() -> bool:
        """Tell whether one was let in: some are told to come again."""
        answer = await client.ask(next(to_login))
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            assert b"\r\nretry-after: " in answer.head.lower(), answer
            return False
        assert answer.result["jwt"]
        return True

    async def check() -> None:
        assert (await client.ask(to_check)).result["valid"]

    async def me() -> None:
        assert (await client.ask(to_show_me)).result["_id"]

    async def ping() -> None:
        assert (await client.ask(to_ping)).status == HTTPStatus.OK

    logins, checks, mes = await asyncio.gather(
        steadily(login, LOGINS, seconds),
        steadily(check, CHECKS // 2, seconds),
        steadily(me, CHECKS // 2, seconds),
    )
    crowd = [asyncio.create_task(login_in_a_crowd()) for _ in range(CROWD)]
    pings = await steadily(ping, 20, 2)
    let_in = sum(await asyncio.gather(*crowd))
    assert let_in, "nobody of the crowd was let in"
    print(f"of {CROWD} logins at once {let_in} were let in, the others told to come again")
    client.close()
    return [
        at_most("REL-05", "login, p95 at 20 a second", percentile(logins, 95), 250, "ms"),
        at_most("REL-05", "checkToken, p99 at 500 a second", percentile(checks, 99), 25, "ms"),
        at_most("REL-05", "getCurrentUser, p99 at 500 a second", percentile(mes, 99), 25, "ms"),
        at_most("REL-05", "ping, p95 under 128 logins", percentile(pings, 95), 1000, "ms"),
    ]


async def steadily(work: Callable[[], Awaitable[None]], rate: int, seconds: int) -> list[float]:
    """Begin some work so often a second; return how long each took from when it was due, in ms."""
    begun = time.perf_counter()

    async def timed(due: float) -> float:
        await work()
        return (time.perf_counter() - due) * 1000

    tasks = []
    for number in range(rate * seconds):
        due = begun + number / rate
        await asyncio.sleep(max(0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(timed(due)))
    return list(await asyncio.gather(*tasks))


if __name__ == "__main__":
    main()
