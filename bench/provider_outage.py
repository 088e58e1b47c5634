"""What a provider that does not answer costs those who sign in without it, and those who wait for it.

Needs wrk (Debian: apt-get install wrk) and two cores: the server has one, the clients the other.

    python bench/provider_outage.py [--seconds 5] [--rounds 3] [--keep]
"""

from __future__ import annotations

import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from driving import CLIENT_CORE, CREDENTIALS, ostiary, posting, sign_up, wrk
from goals import at_least, at_most, in_rounds, report

WAITING = 16
"""Clients that sign in at the provider, again and again."""

SETTINGS = """
[plugins.oauth]
allowInsecureHttp = true

[plugins.oauth.strategies.dead]
provider = "oidc"
issuer = "http://127.0.0.1:{port}"
clientID = "bench"
clientSecret = "a secret of a bench"
callbackURL = "{url}/_login/dead"
"""


def main() -> None:
    """Measure with and without them in turn, so that the machine's speed falls on both alike."""
    options = in_rounds(__doc__, seconds=5).parse_args()
    os.sched_setaffinity(0, {int(CLIENT_CORE)})
    shares: dict[str, list[float]] = {"checks": [], "logins": []}
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder, silence() as port:
        file = Path(folder) / "ostiary.toml"
        file.write_text(SETTINGS.format(port=port, url="http://127.0.0.1"), encoding="utf-8")
        with ostiary(f"{folder}/data", "--dev", "--config", str(file)) as url:
            asked = {
                "checks": ("/_checkToken", posting({"token": sign_up(url)}, '"valid":true')),
                "logins": ("/_login/local", posting(CREDENTIALS, '"jwt":')),
            }
            for _ in range(options.rounds):
                alone = {
                    what: wrk(url + path, script, options.seconds).rate
                    for what, (path, script) in asked.items()
                }
                with waiting(url, took):
                    for what, (path, script) in asked.items():
                        beside = wrk(url + path, script, options.seconds).rate
                        shares[what].append(beside / alone[what])
                        print(f"{what}: {alone[what]:,.0f}/s alone, {beside:,.0f}/s beside them")
    figures = [
        at_least(
            "REL-11",
            f"{what} beside {WAITING} who wait for a provider",
            statistics.median(found),
            0.95,
        )
        for what, found in shares.items()
    ]
    what = "login at a provider that does not answer"
    figures.append(at_most("REL-11", what, max(took), 10, "s"))
    report(figures, keep=options.keep)


@contextmanager
def silence() -> Iterator[int]:
    """Listen on a port, take what is sent, and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port: int = listener.getsockname()[1]
        yield port


@contextmanager
def waiting(url: str, took: list[float]) -> Iterator[None]:
    """Have clients sign in at the provider until the block ends.

    :param took: takes the seconds of each login.
    """
    stop = threading.Event()
    threads = [threading.Thread(target=sign_in, args=(url, stop, took)) for _ in range(WAITING)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def sign_in(url: str, stop: threading.Event, took: list[float]) -> None:
    """Sign in, and come again when the answer says so."""
    address = urlsplit(url)
    while not stop.is_set():
        with closing(HTTPConnection(str(address.hostname), address.port, timeout=30)) as connection:
            began = time.monotonic()
            connection.request("GET", "/_login/dead")
            answer = connection.getresponse()
            answer.read()
            took.append(time.monotonic() - began)
            if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise SystemExit(f"a dead provider signed somebody in: {answer.status}")
            stop.wait(float(answer.headers.get("Retry-After", "1")))


if __name__ == "__main__":
    main()
