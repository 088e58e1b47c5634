"""What the measurements share: servers on cores of their own, and wrk on the other."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn
from urllib.request import Request, urlopen

from ostiary.testing.postgresql import ThrowAwayPostgreSQL

CONNECTIONS = 16
SERVER_CORE, CLIENT_CORE = "0", "1"
CREDENTIALS = {"username": "ann", "password": "correct horse battery staple"}
NOTHING: Mapping[str, str] = MappingProxyType({})
SECRET = "the setup secret of a measurement"
CLOSED: Mapping[str, str] = MappingProxyType(
    {
        "OSTIARY_SETUP_SECRET": SECRET,
        "OSTIARY_SECURITY__STANDARD__PROFILES__DEFAULT__RATE_LIMIT": "1000000",
        "OSTIARY_SECURITY__STANDARD__PROFILES__ANONYMOUS__RATE_LIMIT": "1000000",
    }
)
"""A server as in production: rights are asked for and requests counted, and none is refused."""

IN_MS = {"us": 0.001, "ms": 1, "s": 1000}

CHECKED = """
    function response(status, headers, body)
      if status ~= 200 or not string.find(body, 'WANTED', 1, true) then
        io.stderr:write("wrong answer: " .. status .. " " .. body .. "\\n")
        os.exit(1)
      end
    end
"""


@dataclass(frozen=True)
class Measured:
    """Requests per second, and in ms how long 99 of 100 answers took at most, and all of them."""

    rate: float
    p99: float
    slowest: float


@contextmanager
def ostiary(
    folder: str,
    *arguments: str,
    cores: str = SERVER_CORE,
    settings: Mapping[str, str] = NOTHING,
) -> Iterator[str]:
    """Run the server, one worker, SQLite, in a folder of its own.

    :param arguments: more of the command line, such as ``--dev``.
    :param settings: variables of the environment.
    """
    port = free_port()
    command = [sys.executable, "-m", "ostiary", "serve", "--data", folder, *arguments]
    with running([*command, "--port", str(port)], port, cores, settings):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def on_postgresql() -> Iterator[Mapping[str, str]]:
    """Run a PostgreSQL that is thrown away, and yield what has a server use it."""
    with ThrowAwayPostgreSQL() as postgresql:
        name = asyncio.run(postgresql.create_database())
        yield made_ready(postgresql, name, secrets.token_hex(32))


def made_ready(postgresql: ThrowAwayPostgreSQL, name: str, key: str) -> Mapping[str, str]:
    """Do in an empty database what an operator does; return what has a server use it.

    :param key: the master key, one for all databases of a server, for they share their roles.
    """
    settings = {
        "OSTIARY_MASTER_KEY": key,
        "OSTIARY_DATABASE__URL": postgresql.url(name),
    }
    admin = ["db", "provision", "--admin-url", postgresql.admin_url(name)]
    for words in (admin, ["db", "upgrade"]):
        command = [sys.executable, "-m", "ostiary", *words]
        subprocess.run(command, check=True, env={**os.environ, **settings})
    return settings


@contextmanager
def running(
    command: list[str],
    port: int,
    cores: str = SERVER_CORE,
    environment: Mapping[str, str] = NOTHING,
) -> Iterator[None]:
    """Run a server on its cores until the block ends."""
    pinned = ["taskset", "-c", cores, *command]
    process = subprocess.Popen(pinned, stderr=subprocess.DEVNULL, env={**os.environ, **environment})
    try:
        deadline = time.monotonic() + 20
        while not listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{command[2]} does not start")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def sign_up(url: str, **headers: str) -> str:
    """Create a user and return a token of theirs."""
    content = {"profileIds": ["default"], "name": "Ann"}
    new = {"content": content, "credentials": {"local": CREDENTIALS}}
    post(f"{url}/users/_create", new, **headers)
    token: str = post(f"{url}/_login/local", CREDENTIALS)["jwt"]
    return token


def sign_up_closed(url: str) -> str:
    """Create a user on a server that was started with ``CLOSED`` and return a token of theirs."""
    return sign_up(url, Authorization=f"Bearer {administrator(url)}")


def administrator(url: str) -> str:
    """Create the first administrator of a server that was started with ``CLOSED``; return a token."""
    root = {"username": "root", "password": "correct horse battery staple"}
    first = {"content": {"name": "Root"}, "credentials": {"local": root}}
    post(f"{url}/_createFirstAdmin/root", first, **{"X-Ostiary-Setup": SECRET})
    token: str = post(f"{url}/_login/local", root)["jwt"]
    return token


def post(url: str, body: Any, **more: str) -> Any:
    """Post JSON and return the result."""
    headers = {"Content-Type": "application/json", **more}
    with urlopen(Request(url, json.dumps(body).encode(), headers)) as answer:
        return json.load(answer)["result"]


def posting(body: Any, wanted: str) -> str:
    """Return a wrk script that posts JSON, and ends when an answer does not hold what it must."""
    return f"""
        wrk.method = "POST"
        wrk.body = '{json.dumps(body)}'
        wrk.headers["Content-Type"] = "application/json"
        {CHECKED.replace("WANTED", wanted)}
    """


def wrk(url: str, script: str, seconds: int) -> Measured:
    """Ask again and again, over several connections."""
    process = started(url, script, seconds)
    return result(process)


def started(url: str, script: str, seconds: int, core: str = CLIENT_CORE) -> subprocess.Popen[str]:
    """Begin to ask; several may do so at once."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as file:
        file.write(script)
    command = ["taskset", "-c", core, "wrk", "-t1", f"-c{CONNECTIONS}", "--latency"]
    command += [f"-d{seconds}s", "-s", file.name, url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> Measured:
    """Wait for wrk, and return what it has measured."""
    output, errors = process.communicate()
    Path(process.args[-2]).unlink()  # type: ignore[index]
    if errors or process.returncode:
        sys.exit(errors or output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    slowest = re.search(r"Latency(?:\s+[\d.]+(?:us|ms|s)){2}\s+([\d.]+)(us|ms|s)", output)
    assert rate is not None
    assert slow is not None
    assert slowest is not None
    return Measured(float(rate[1]), _ms(slow), _ms(slowest))


def missing(part: str, remedy: str) -> NoReturn:
    """End where a part of the machine is not there."""
    sys.exit(f"{part}: {remedy}")


def percentile(values: Sequence[float], percent: int) -> float:
    """Return what so many percent of the values are at most."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def resident(process: int) -> int:
    """Return the bytes of memory that a process has."""
    pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def process_of(url: str) -> int:
    """Return the process that listens on the port of an address of this machine."""
    port = url.rpartition(":")[2]
    command = ["ss", "-ltnpH", f"sport = :{port}"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"pid=(\d+)", told)
    assert found is not None
    return int(found[1])


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening(port: int) -> bool:
    """Tell whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ms(found: re.Match[str]) -> float:
    return float(found[1]) * IN_MS[found[2]]
