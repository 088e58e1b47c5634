"""The pages are true: the reference is what the code declares, and what the guides print happens.

Of a guide are run: ``console`` blocks (each ``$ command`` and what it prints, with
``...`` for what differs from time to time), ``console server`` blocks (a command
that goes on in the background), and blocks with ``file=PATH``, which are written.
A guide is one session: a home folder, a shell, and one server at a time.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

from ostiary.testing.postgresql import started
from ostiary.testing.server import free_port

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
GUIDES = (
    "clients",
    "mail",
    "moving",
    "oauth",
    "operators",
    "plugins",
    "policies",
    "rights",
    "searching",
    "security",
)
BLOCK = re.compile(r"^```(?P<words>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<page>[^)#\s:]*)(?:#(?P<heading>[^)\s]*))?\)")
PATIENCE = 60
REFUSED = "ostiary: "
"""What a command prints first when it is expected to fail."""


class Session:
    """Takes the blocks of a guide, one after the other."""

    def __init__(self, home: Path, replaced: dict[str, str]) -> None:
        self._home, self._port = home, free_port()
        # This machine's address and database stand where the guide has its examples.
        self._replaced = {
            "ostiary serve": "ostiary serve --port 7512",
            "https://github.com/ostiary/ostiary --directory": f"{DOCS.parent} --directory",
            **replaced,
            "7512": str(self._port),
        }
        self._server: int | None = None
        self._lines: queue.Queue[str] = queue.Queue()
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=home,
            env=_environment(home),
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, name="output of the shell")
        self._reader.start()

    def close(self) -> None:
        """Kill what still runs."""
        if self._server is not None:
            os.kill(self._server, signal.SIGKILL)
        self._shell.kill()
        self._reader.join(PATIENCE)
        self._shell.communicate()

    def take(self, words: list[str], text: str) -> None:
        """Do what a block says."""
        for word in words:
            if word.startswith("file="):
                self._write(word.removeprefix("file="), text)
        if words[:2] == ["console", "server"]:
            self._serve(text.removeprefix("$ ").strip())
        elif words[:1] == ["console"]:
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                self._check(*part.split("\n", 1))
        elif text.startswith("pip install -e "):
            self._install(self._home / text.removeprefix("pip install -e ").strip())

    def _check(self, command: str, wanted: str) -> None:
        printed, status = self._run(command)
        pattern = re.escape(self._adapted(wanted).rstrip()).replace(re.escape("..."), ".*?")
        # The columns of a table are as wide as what stands in them.
        pattern = re.sub(r"(\\ ){2,}", " +", pattern)
        right = re.fullmatch(pattern, printed.rstrip(), re.DOTALL)
        assert right, f"$ {command}\n{printed}\nis not what the guide has:\n{wanted}"
        assert (status != 0) == wanted.startswith(REFUSED), f"$ {command}\n{printed} -> {status}"

    def _run(self, command: str) -> tuple[str, int]:
        """Run a command in the shell; return what it printed, and its status."""
        assert self._shell.stdin is not None
        command = self._adapted(command)
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null 2>&1; printf '\\n:end: %d\\n' $?\n")
        self._shell.stdin.flush()
        printed = ""
        while not (line := self._lines.get(timeout=PATIENCE)).startswith(":end: "):
            printed += line
        return printed, int(line.split()[1])

    def _serve(self, command: str) -> None:
        """Start a server, once the one before has stopped in peace."""
        if self._server is not None:
            process, self._server = self._server, None
            assert self._run(f"kill {process}; wait {process}") == ("\n", 0), self._log()
        self._server = int(self._run(f"{command} >server.log 2>&1 & echo $!")[0])
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._run(f"kill -0 {self._server}")[1] == 0, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.02)
        if secret := re.search(r"^Setup secret: (\S+)$", self._log(), re.MULTILINE):
            self._run(f"SETUP_SECRET={secret[1]}")

    def _install(self, folder: Path) -> None:
        """Do what pip does for an editable installation, without asking an index for anything."""
        site = self._home / ".site"
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(site)]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        [wheel] = site.glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(site)
        shipped = {path.relative_to(site) for path in site.rglob("*.py")}
        assert shipped == {
            path.relative_to(folder) for path in folder.rglob("*.py") if "tests" not in path.parts
        }
        self._run(f"export PYTHONPATH={folder}:{site}")

    def _write(self, name: str, text: str) -> None:
        file = self._home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._adapted(text), encoding="utf-8")
        file.chmod(0o600)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/_healthcheck")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _log(self) -> str:
        return (self._home / "server.log").read_text(encoding="utf-8")

    def _adapted(self, text: str) -> str:
        for example, real in self._replaced.items():
            text = text.replace(example, real)
        return text

    def _read(self) -> None:
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            self._lines.put(line)


Missing = Callable[[str, str], NoReturn]


@pytest.fixture
def programs(missing: Missing) -> None:
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            missing(program, f"apt-get install {program}")
    if find_spec("cookiecutter") is None:
        missing("cookiecutter", "pip install --group template")


@pytest.fixture
def replaced(missing: Missing) -> Iterator[dict[str, str]]:
    """A real database in place of the one that the guide about PostgreSQL speaks of."""
    with started(missing) as postgresql:
        for sql in DATABASES:
            asyncio.run(postgresql.run(sql))
        admin = postgresql.admin_url().split("/")[2]
        address = admin.partition("@")[2]
        yield {"postgres:secret@db.example.org": admin, "db.example.org": address}


DATABASES = (
    "CREATE DATABASE ostiary",
    "CREATE DATABASE rented",
    "CREATE ROLE tenant LOGIN PASSWORD 'secret'",
    "GRANT CREATE ON DATABASE rented TO tenant",
)


@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.usefixtures("programs")
def test_a_guide_works_as_printed(guide: str, tmp_path: Path) -> None:
    _follow(DOCS / f"{guide}.md", tmp_path, {})


@pytest.mark.usefixtures("programs")
def test_the_guide_to_postgresql_works_as_printed(tmp_path: Path, replaced: dict[str, str]) -> None:
    _follow(DOCS / "postgresql.md", tmp_path, replaced)


def test_the_reference_is_what_the_code_declares() -> None:
    command = [sys.executable, str(DOCS / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / link["page"]).resolve() if link["page"] else page
        assert target.exists(), link[0]
        assert link["heading"] is None or link["heading"] in _headings(target), link[0]


def _follow(guide: Path, home: Path, replaced: dict[str, str]) -> None:
    blocks = list(BLOCK.finditer(guide.read_text(encoding="utf-8")))
    assert any(block["words"].startswith("console") for block in blocks)
    with closing(Session(home, replaced)) as session:
        for block in blocks:
            session.take(block["words"].split(), block["text"])


def _headings(page: Path) -> set[str]:
    """Return what links call the headings of a page."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _environment(home: Path) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OSTIARY_") and name not in ("XDG_DATA_HOME", "PYTHONPATH")
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return inherited | {"HOME": str(home), "PATH": path}
