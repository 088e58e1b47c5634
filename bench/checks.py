"""How fast tokens are checked, as a share of a bare ASGI application under the same uvicorn.

Needs wrk (Debian: apt-get install wrk) and two cores: the server has one, wrk the other.

    python bench/checks.py [--seconds 5] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
CONNECTIONS = 16
SERVER_CORE, CLIENT_CORE = "0", "1"
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
    results: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, bare() as bare_url, ostiary(folder) as url:
        token = sign_up(url)
        for _ in range(options.rounds):
            for name, target, script in cases(bare_url, url, token):
                results.setdefault(name, []).append(wrk(target, script, options.seconds))
    report(results)


def cases(bare_url: str, url: str, token: str) -> list[tuple[str, str, str]]:
    """Return what is measured: name, URL and wrk script; bodies are checked."""
    post = f"""
        wrk.method = "POST"
        wrk.body = '{json.dumps({"token": token})}'
        wrk.headers["Content-Type"] = "application/json"
        {CHECKED.replace("WANTED", '"valid":true')}
    """
    get = f"""
        wrk.headers["Authorization"] = "Bearer {token}"
        {CHECKED.replace("WANTED", '"name":"Ann"')}
    """
    return [
        ("bare", bare_url, CHECKED.replace("WANTED", '"status":200')),
        ("POST /_checkToken", f"{url}/_checkToken", post),
        ("GET /_me", f"{url}/_me", get),
    ]


CHECKED = """
    function response(status, headers, body)
      if status ~= 200 or not string.find(body, 'WANTED', 1, true) then
        io.stderr:write("wrong answer: " .. status .. " " .. body .. "\\n")
        os.exit(1)
      end
    end
"""


@contextmanager
def bare() -> Iterator[str]:
    """Run the yardstick."""
    port = free_port()
    with running([*BARE, str(port)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def ostiary(folder: str) -> Iterator[str]:
    """Run the server, one worker, SQLite, in a folder of its own."""
    port = free_port()
    command = [sys.executable, "-m", "ostiary", "serve", "--dev", "--data", folder]
    with running([*command, "--port", str(port)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """Run a server on its core until the block ends."""
    pinned = ["taskset", "-c", SERVER_CORE, *command]
    process = subprocess.Popen(pinned, stderr=subprocess.DEVNULL)
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


def sign_up(url: str) -> str:
    """Create a user and return a token of theirs."""
    credentials = {"username": "ann", "password": "correct horse battery staple"}
    content = {"profileIds": ["default"], "name": "Ann"}
    post(f"{url}/users/_create", {"content": content, "credentials": {"local": credentials}})
    token: str = post(f"{url}/_login/local", credentials)["jwt"]
    return token


def post(url: str, body: Any) -> Any:
    """Post JSON and return the result."""
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, json.dumps(body).encode(), headers)) as answer:
        return json.load(answer)["result"]


def wrk(url: str, script: str, seconds: int) -> tuple[float, float]:
    """Return requests per second, and the 99th percentile of the latency in ms."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", "--latency"]
        command += [f"-d{seconds}s", "-s", file.name, url]
        output = subprocess.run(command, check=True, capture_output=True, text=True)
    if output.stderr:
        sys.exit(output.stderr)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output.stdout)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)", output.stdout)
    assert rate is not None
    assert slow is not None
    return float(rate[1]), float(slow[1]) * {"us": 0.001, "ms": 1, "s": 1000}[slow[2]]


def report(results: dict[str, list[tuple[float, float]]]) -> None:
    """Print medians, and shares of the bare application in the same round."""
    print(f"{os.uname().machine}, Python {sys.version.split()[0]}, {CONNECTIONS} connections")
    print(f"{'':20}{'req/s':>10}{'of bare':>10}{'p99 ms':>10}{'x bare':>10}")
    yardstick = results["bare"]
    for name, rounds in results.items():
        pairs = list(zip(rounds, yardstick, strict=True))
        rate, slow = (statistics.median(values) for values in zip(*rounds, strict=True))
        share = statistics.median(mine[0] / theirs[0] for mine, theirs in pairs)
        ratio = statistics.median(mine[1] / theirs[1] for mine, theirs in pairs)
        print(f"{name:20}{rate:>10,.0f}{share:>10.0%}{slow:>10.2f}{ratio:>10.2f}")


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


if __name__ == "__main__":
    main()
