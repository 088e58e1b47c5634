"""The wheels are complete: what they hold runs in a fresh environment, away from the checkout."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "ostiary": ROOT,
    "ostiary_local": ROOT / "plugins" / "local",
    "ostiary_oauth": ROOT / "plugins" / "oauth",
}
DEADLINE = 60.0
HELD = {".css", ".html", ".js", ".mo", ".po", ".py", ".svg", ".txt"}
"""Suffixes of files that are of use where a package is installed."""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the wheels of the core and of its plugins."""
    folder = tmp_path_factory.mktemp("wheels")
    for source in PACKAGES.values():
        build = [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(folder),
        ]
        run([*build, str(source)])
    return {name: next(folder.glob(f"{name}-*.whl")) for name in PACKAGES}


@dataclass(frozen=True)
class Installed:
    """A fresh environment, and a folder of its own for everything it writes."""

    programs: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Only what a fresh machine has, so that nothing of this checkout is found."""
        home = {"HOME": str(self.folder), "PATH": f"{self.programs}{os.pathsep}{os.defpath}"}
        return home | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def ostiary(self, *arguments: str) -> str:
        """Run the command and return what it prints."""
        return self.run(str(self.programs / "ostiary"), *arguments)

    def run(self, *command: str) -> str:
        """Run a program of this environment and return what it prints."""
        return run(list(command), env=self.environment, cwd=self.folder)

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[str]:
        """Start the server, wait until it answers, and stop it; yields its address."""
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        command = [str(self.programs / "ostiary"), "serve", "--port", str(port), *arguments]
        with (self.folder / "server.log").open("w+") as log:
            server = subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=log, stderr=log
            )
            try:
                wait_for(f"http://127.0.0.1:{port}/_healthcheck", server, Path(log.name))
                yield f"http://127.0.0.1:{port}"
            finally:
                server.send_signal(signal.SIGTERM)
                assert server.wait(DEADLINE) == 0


@pytest.fixture(scope="session")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheels into a fresh environment."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=True)
    one = Installed(folder / "venv" / "bin", folder)
    one.run(str(one.programs / "pip"), "install", "--quiet", *map(str, wheels.values()))
    return one


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def run(command: list[str], **options: Any) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"no answer from {url}:\n{log.read_text(encoding='utf-8')}")


def ask(url: str, body: object = None) -> Any:
    sent = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=sent, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["result"]


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_of_the_core_holds_the_core_its_revisions_and_nothing_else(
    wheels: dict[str, Path],
) -> None:
    names = names_in(wheels["ostiary"])
    tops = {name.partition("/")[0] for name in names}
    assert {top.partition("-")[0] for top in tops} == {"ostiary", "ostiary_migrations"}
    assert {"ostiary/py.typed", "ostiary_migrations/env.py"} <= set(names)
    assert any(name.startswith("ostiary_migrations/versions/0001_") for name in names)
    assert any(name.endswith("/LICENSE") for name in names)


def test_the_wheel_of_local_holds_its_revisions_and_no_tests(wheels: dict[str, Path]) -> None:
    names = names_in(wheels["ostiary_local"])
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"ostiary_local"}
    assert any(name.startswith("ostiary_local/migrations/0001_") for name in names)
    list_ = {"ostiary_local/common-passwords.blocklist", "ostiary_local/common-passwords.md"}
    assert list_ <= set(names)
    assert not any("test" in name for name in names)


def test_the_wheel_of_oauth_holds_its_revisions_and_no_tests(wheels: dict[str, Path]) -> None:
    names = names_in(wheels["ostiary_oauth"])
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"ostiary_oauth"}
    assert any(name.startswith("ostiary_oauth/migrations/0001_") for name in names)
    assert "ostiary_oauth/py.typed" in names
    assert not any("test" in name for name in names)


@pytest.mark.parametrize("package", PACKAGES)
def test_wheels_hold_what_the_checkout_holds(wheels: dict[str, Path], package: str) -> None:
    source = ROOT / "core" if package == "ostiary" else PACKAGES[package]
    everything = [file for file in (source / package).rglob("*.*") if file.is_file()]
    wanted = {str(one.relative_to(source)) for one in everything if one.suffix in HELD}
    assert wanted
    assert wanted - set(names_in(wheels[package])) == set()


def test_the_wheel_of_the_core_holds_its_pages(wheels: dict[str, Path]) -> None:
    """Nothing of them is made when they are installed."""
    pages = "ostiary/pages"
    needed = (
        "static/htmx.js",
        "static/htmx.LICENSE",
        "static/ostiary.css",
        "templates/sign_in.html",
    )
    held = {*needed, "locale/fr/LC_MESSAGES/ostiary.mo"}
    assert {f"{pages}/{one}" for one in held} <= set(names_in(wheels["ostiary"]))


def test_pages_are_served_from_wheels(installed: Installed, data: str) -> None:
    with installed.serving("--dev", "--data", data) as url:
        headers = {"Accept": "text/html", "Accept-Language": "fr"}
        with urllib.request.urlopen(urllib.request.Request(f"{url}/", headers=headers)) as answer:
            page = answer.read().decode()
        assert '<html lang="fr">' in page
        # The words of a plugin come from its own wheel.
        assert "Mot de passe" in page
        for address in re.findall(r'(?:href|src)="(/-/static/[^"]+)"', page):
            with urllib.request.urlopen(f"{url}{address}") as answer:
                assert answer.read()


def test_the_server_is_light(installed: Installed) -> None:
    listed = installed.run(str(installed.programs / "pip"), "list", "--format=json")
    packages = {package["name"].lower() for package in json.loads(listed)}
    assert packages.isdisjoint({"pydantic", "fastapi", "pytest"})
    assert {"ostiary", "ostiary-local"} <= packages


def test_installed_packages_agree_with_each_other(installed: Installed) -> None:
    installed.run(str(installed.programs / "pip"), "check")


def test_plugins_lists_local(installed: Installed, data: str) -> None:
    (line,) = [
        line.split()
        for line in installed.ostiary("plugins", "--data", data).splitlines()
        if line.startswith("local")
    ]
    assert "0.1.0" in line


def test_config_prints_settings(installed: Installed, data: str) -> None:
    shown = json.loads(installed.ostiary("config", "--data", data))
    assert shown["data"]["dir"] == data


def test_the_main_job_works_from_wheels(installed: Installed, data: str) -> None:
    with installed.serving("--dev", "--data", data) as url:
        credentials = {"username": "ada", "password": "correct horse"}
        content = {"profileIds": ["default"]}
        user = ask(
            f"{url}/users/_create", {"content": content, "credentials": {"local": credentials}}
        )
        token = ask(f"{url}/_login/local", credentials)
    assert token["_id"] == user["_id"]


def test_the_list_of_common_passwords_is_found_and_whole(installed: Installed) -> None:
    look = (
        "from ostiary_local.blocklists import SHIPPED as s; s.verify(); print(s.holds('password'))"
    )
    assert installed.run(str(installed.programs / "python"), "-c", look).strip() == "True"


@pytest.fixture
def without_local(installed: Installed, wheels: dict[str, Path]) -> Iterator[Installed]:
    """Uninstall the local plugin for one test."""
    pip = str(installed.programs / "pip")
    installed.run(pip, "uninstall", "--quiet", "--yes", "ostiary-local")
    yield installed
    installed.run(pip, "install", "--quiet", "--no-deps", str(wheels["ostiary_local"]))


def test_without_its_plugin_a_strategy_is_gone_and_the_server_runs(
    without_local: Installed, data: str
) -> None:
    with without_local.serving("--dev", "--data", data) as url:
        assert ask(f"{url}/strategies") == []
        assert ask(f"{url}/users/_create", {"content": {"profileIds": ["default"]}})["_id"]
