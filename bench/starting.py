"""How long a start takes, and what a server costs that has nothing to do.

    python bench/starting.py [--rounds 7] [--idle 60] [--keep]

The bytecode of Python is written before: an installed package has it. Each start is compared with
a process that only imports uvicorn, starlette and SQLAlchemy, in the same round.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from driving import CREDENTIALS, NOTHING, free_port, post, resident, sign_up
from goals import Figure, at_most, keeping, report

IMPORTS = [sys.executable, "-c", "import uvicorn, starlette.applications, sqlalchemy"]
MIB = 1024 * 1024
HASH_MIB = 19
MIXED, PARALLEL = 6000, 600
SETTLED = 1.0
"""Seconds after the first answer when the start is over, and memory is looked at."""

CONFIGURED = """
[plugins.local.mail]
host = "mail.example.com"
from = "accounts@example.com"
resetUrl = "https://app.example.com/reset"
verifyUrl = "https://app.example.com/verify"

[plugins.oauth.strategies.github]
callbackURL = "https://auth.example.com/_login/github"
clientID = "one"
clientSecret = "secret"

[plugins.oauth.strategies.google]
callbackURL = "https://auth.example.com/_login/google"
clientID = "two"
clientSecret = "secret"

[plugins.oauth.strategies.facebook]
callbackURL = "https://auth.example.com/_login/facebook"
clientID = "three"
clientSecret = "secret"
"""


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    pid: int
    port: int
    seconds: float

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def rss(self) -> float:
        """The memory that is resident, in MiB."""
        return resident(self.pid) / MIB

    @property
    def cpu(self) -> float:
        """The seconds of a core that all its threads have had."""
        return sum(
            float(stat.read_text("ascii").split()[0]) / 1e9 for stat in self._of("schedstat")
        )

    @property
    def wakings(self) -> int:
        """How often its threads have gone to sleep of their own accord."""
        lines = (line for of in self._of("status") for line in of.read_text("ascii").splitlines())
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))

    def _of(self, file: str) -> list[Path]:
        return [thread / file for thread in Path(f"/proc/{self.pid}/task").iterdir()]


def main() -> None:
    """Measure, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--idle", type=int, default=60, help="seconds without a request")
    keeping(parser)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        plain, configured = Path(folder) / "plain", Path(folder) / "configured"
        make_stores(plain)
        make_stores(configured)
        (configured / "ostiary.toml").write_text(CONFIGURED, encoding="utf-8")
        figures = [
            *starts(plain, options.rounds),
            *starts(configured, options.rounds, ", mail and three providers"),
            *idle(plain, options.idle),
            *loaded(Path(folder) / "loaded"),
        ]
    report(figures, keep=options.keep)


def make_stores(folder: Path) -> None:
    """Start once, so that stores and bytecode are there, and make an administrator."""
    with serving(folder):
        pass
    command = [sys.executable, "-m", "ostiary", "admin", "create", "root", "--data", str(folder)]
    subprocess.run(command, input=CREDENTIALS["password"], text=True, check=True, stdout=sys.stderr)


def starts(folder: Path, rounds: int, kind: str = "") -> Iterator[Figure]:
    """Measure the first answer, and the memory of a server that nobody has asked for anything."""
    seconds, ratios, sizes = [], [], []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(IMPORTS, check=True)
        yardstick = time.perf_counter() - began
        with serving(folder) as server:
            seconds.append(server.seconds)
            ratios.append(server.seconds / yardstick)
            time.sleep(SETTLED)
            sizes.append(server.rss)
    yield at_most("G7", f"first answer{kind}", statistics.median(seconds), 0.4, "s")
    yield at_most("G7", f"x importing libraries{kind}", statistics.median(ratios), 2.0, "x")
    yield at_most("G7", f"idle RSS{kind}", statistics.median(sizes), 65, "MiB")
    if not kind:
        yield at_most("REL-02", "ready after a start, the slowest", max(seconds), 3, "s")
        yield at_most("REL-06", "idle RSS", max(sizes), 120, "MiB")


def idle(folder: Path, seconds: int) -> Iterator[Figure]:
    """Measure what a server does that has nothing to do."""
    with serving(folder) as server:
        time.sleep(SETTLED)
        cpu, wakings = server.cpu, server.wakings
        time.sleep(seconds)
        used, woken = (server.cpu - cpu) / seconds, (server.wakings - wakings) / seconds
    yield at_most("G7", "idle CPU, of one core", used, 0.002, "%")
    yield at_most("G7", "idle, wakings per second", woken, 10, "/s")


def loaded(folder: Path) -> Iterator[Figure]:
    """Measure what load leaves behind."""
    threads = os.cpu_count() or 1
    with serving(folder, "--dev") as server:
        token = sign_up(server.url)
        time.sleep(SETTLED)
        before = server.rss
        together(MIXED, 16, lambda number: mixed(server, token, number))
        after = server.rss
        yield at_most("REL-06", "6,000 mixed requests leave", after - before, 96, "MiB")
        beyond = after - before - threads * HASH_MIB
        yield at_most("G7", "load leaves beyond threads x m", beyond, 20, "MiB")
        for name, hostile in HOSTILE.items():
            before = server.rss
            with watching(server) as most:
                hostile(server)
            yield at_most("REL-06", f"hostile: {name}", max(most) - before, 64, "MiB")
        before = server.rss
        with watching(server) as most:
            together(PARALLEL, PARALLEL, lambda number: mixed(server, token, number))
        yield at_most("REL-06", "600 parallel requests", max(most) - before, 512, "MiB")


def mixed(server: Running, token: str, number: int) -> None:
    """Make one of several requests; a login in twenty."""
    paths = ("/_me", "/_me/_rights", "/_healthcheck", "/users/_mGet?ids=ann", "/_publicApi")
    if number % 20:
        asked(server, "GET", paths[number % len(paths)], token=token)
    else:
        with suppress(OSError):  # A refusal is an answer as well.
            post(f"{server.url}/_login/local", CREDENTIALS)


def asked(server: Running, verb: str, path: str, body: bytes = b"", token: str = "") -> None:
    """Make a request over a connection of its own; what is answered does not matter."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(verb, path, body, headers)
        connection.getresponse().read()
    except OSError:
        pass  # The server may close a connection on which it reads no more.
    finally:
        connection.close()


def large(server: Running) -> None:
    """Send more than any request may hold."""
    asked(server, "POST", "/_login/local", b'{"username":"' + b"a" * (64 * MIB) + b'"}')


def deep(server: Running) -> None:
    """Send as deep a document as a request may hold."""
    asked(server, "POST", "/users/_search", b'{"query":' + b"[" * 400_000)


def wide(server: Running) -> None:
    """Send as many small values as a request may hold."""
    asked(server, "POST", "/_login/local", b'{"a":[' + b"{}," * 330_000 + b"{}]}")


def long(server: Running) -> None:
    """Send a long password."""
    body = b'{"username":"ann","password":"' + b"a" * 1_000_000 + b'"}'
    asked(server, "POST", "/_login/local", body)


HOSTILE: Mapping[str, Callable[[Running], None]] = {
    "64 MiB of body": large,
    "a deep document": deep,
    "a wide document": wide,
    "a long password": long,
}


def together(requests: int, threads: int, ask: Callable[[int], None]) -> None:
    """Make many requests, several at the same time."""
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(ask, range(requests)):
            pass


@contextmanager
def watching(server: Running) -> Iterator[list[float]]:
    """Look at the memory again and again; the list holds what was seen."""
    seen = [server.rss]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            seen.append(server.rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@contextmanager
def serving(folder: Path, *arguments: str, more: Mapping[str, str] = NOTHING) -> Iterator[Running]:
    """Start a server and wait for its first answer."""
    port = free_port()
    command = [sys.executable, "-m", "ostiary", "serve", "--data", str(folder), *arguments]
    config = folder / "ostiary.toml"
    command += ["--port", str(port), *(["--config", str(config)] if config.exists() else [])]
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, **more})
    try:
        while not answers(port):
            if process.poll() is not None:
                sys.exit("the server does not start")
            time.sleep(0.002)
        yield Running(process.pid, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Tell whether a server answers."""
    with socket.socket() as connection:
        if connection.connect_ex(("127.0.0.1", port)):
            return False
        connection.sendall(b"GET /_healthcheck HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        return connection.recv(12) == b"HTTP/1.1 200"


if __name__ == "__main__":
    main()
