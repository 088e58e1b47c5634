"""How fast users are created, as a share of bare argon2, and whether processes get on with each other.

The server runs as in production, and an administrator creates them.

Needs wrk and two cores.

    python bench/signups.py [--seconds 6] [--rounds 3] [--keep]
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile

from driving import CLIENT_CORE, CLOSED, SERVER_CORE, administrator, ostiary
from goals import at_least, at_most, in_rounds, report
from logins import BOTH, others, raw

PROCESSES, CONNECTIONS = 4, 64

SCRIPT = """
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Authorization"] = "Bearer TOKEN"
    local drawn = io.open("/dev/urandom", "rb"):read(8)
    local run = string.gsub(drawn, ".", function(c) return string.format("%02x", string.byte(c)) end)
    local number = 0
    function request()
      number = number + 1
      local name = run .. "-" .. number
      return wrk.format(nil, nil, nil, '{"content":{"profileIds":["default"]},"credentials":' ..
        '{"local":{"username":"' .. name .. '","password":"correct horse battery staple"}}}')
    end
    function response(status, headers, body)
      if status ~= 200 then io.stderr:write("wrong answer: " .. status .. " " .. body .. "\\n") end
    end
"""
"""Each request is for a user of its own."""


def main() -> None:
    """Measure one process on a core of its own, then four on one file."""
    options = in_rounds(__doc__, seconds=6).parse_args()
    shares, errors = [], 0
    with tempfile.TemporaryDirectory() as folder, ostiary(folder, settings=CLOSED) as url:
        token = administrator(url)
        for _ in range(options.rounds):
            bare = raw(options.seconds, SERVER_CORE, 1)
            before = others(url)
            rate, wrong = created(url, token, options.seconds, 16)
            beside = (others(url) - before) / (rate * options.seconds) * 1000
            print(f"{rate:.1f} users/s, {bare.rate:.1f} hashes/s; beside its hash {beside:.2f} ms")
            shares.append(rate / bare.rate)
            errors += wrong
    workers = ("--workers", str(PROCESSES))
    with (
        tempfile.TemporaryDirectory() as folder,
        ostiary(folder, *workers, cores=BOTH, settings=CLOSED) as url,
    ):
        rate, wrong = created(url, administrator(url), options.seconds, CONNECTIONS)
        errors += wrong
        print(f"{PROCESSES} processes on one file: {rate:.1f} users/s")
    what = f"errors of {PROCESSES} processes on one file, c={CONNECTIONS}"
    figures = [
        at_least("G6", "sign-ups, of bare argon2", statistics.median(shares), 0.95),
        at_most("G6", what, errors, 0, ""),
    ]
    report(figures, keep=options.keep)


def created(url: str, token: str, seconds: int, connections: int) -> tuple[float, int]:
    """Return the users that are created a second, and how many were not."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(SCRIPT.replace("TOKEN", token))
        file.flush()
        command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{connections}"]
        command += ["--timeout", "30s"]
        command += [f"-d{seconds}s", "-s", file.name, f"{url}/users/_create"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    lost = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout
    )
    assert rate is not None
    wrong = done.stderr.splitlines()
    if wrong:
        print(wrong[0])
    return float(rate[1]), len(wrong) + (sum(map(int, lost.groups())) if lost else 0)


if __name__ == "__main__":
    main()
