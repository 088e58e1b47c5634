"""What the template gives works: built, installed and signed in with, whatever it was called.

``tox -e template`` runs this; an ordinary run of the tests leaves it out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.template

ROOT = Path(__file__).parents[2]
MODULE = [sys.executable, "-m"]
IN_ENVIRONMENT = """
import json
from urllib.request import Request, urlopen
from ostiary.testing.server import ThrowAwayServer

def post(server, path, body):
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(server.url + path, json.dumps(body).encode(), headers)) as answer:
        return json.load(answer)["result"]

seen = {}
fields = {"member": "0042", "phrase": "correct horse battery staple"}
with ThrowAwayServer(dev=True) as server:
    for strategy in %r:
        content = {"profileIds": ["default"]}
        body = {"content": content, "credentials": {strategy: fields}}
        created = post(server, "/users/_create", body)["_id"]
        seen[strategy] = created == post(server, f"/_login/{strategy}", fields)["_id"]
print(json.dumps(seen))
"""
"""Signs one user in with each strategy, and prints whether it was the one who was created."""


@dataclass(frozen=True)
class Answers:
    """What somebody answers to the questions of the template, and what the plugin is called."""

    name: str
    author: str
    description: str
    slug: str

    @property
    def typed(self) -> str:
        """The lines that are typed in."""
        return f"{self.name}\n{self.author}\n{self.description}\n"

    @property
    def distribution(self) -> str:
        return f"ostiary-{self.slug}".replace("_", "-")


AWKWARD = (
    Answers("Smart Card 2!", "Zoë {{ 7 * 7 }} <zoe@example.org>", 'A "card".', "smart_card_2"),
    Answers("été", "O'Neil \\n '''", "It's \\ {% raw %} {# '\"\"\"' 😀", "ete"),
    Answers("O'Brien's \"key\" \\", '"', "}} $(touch x) `x` <b>", "obriens_key"),
    Answers("指纹", "李", "指纹登录。", "zhi_wen"),
    Answers("A name of thirty one characters", "A", "-", "a_name_of_thirty_one_characters"),
)
REFUSED = {
    "Core": "the server's own store",
    "local": "the plugin for passwords",
    "migrations": "a package of the server",
    "class": "a keyword of Python",
    "Key owner": "roles on PostgreSQL",
    "2FA": "must begin with a letter",
    "!!!": "must begin with a letter",
    "A name with thirty-two characters": "at most 31 characters",
    "Two\u2028lines": "cannot be printed",
    "x" * 61: "longer than 60",
    "   ": "is empty",
}


def run(command: list[str], **options: Any) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def bake(answers: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Answer the questions of the template as one does at a terminal."""
    return subprocess.run(
        [*MODULE, "cookiecutter", str(ROOT), "--directory", "plugins/template"],
        input=answers,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        # What was answered last is kept in the home folder.
        env=os.environ | {"HOME": str(folder), "PYTHONUTF8": "1"},
        check=False,
    )


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bake the template once for each of the awkward answers."""
    folder = tmp_path_factory.mktemp("baked")
    for answers in AWKWARD:
        done = bake(answers.typed, folder)
        assert done.returncode == 0, done.stderr
    return {answers.slug: folder / answers.distribution for answers in AWKWARD}


@pytest.fixture(scope="module")
def python(baked: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Install our wheel and theirs into a fresh environment; its Python."""
    folder = tmp_path_factory.mktemp("fresh")
    for source in (ROOT, *baked.values()):
        build = ["build", "--wheel", "--no-isolation", "--outdir", str(folder)]
        run([*MODULE, *build, str(source)])
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    [ours] = folder.glob("ostiary-*.whl")
    theirs = [str(wheel) for wheel in folder.glob("ostiary_*.whl")]
    assert len(theirs) == len(AWKWARD)
    run([python, "-m", "pip", "install", "--quiet", f"{ours}[postgresql,testing]", *theirs])
    return python


@pytest.fixture
def clean() -> dict[str, str]:
    """An environment in which nothing of this checkout is found."""
    kept = ("OSTIARY_REQUIRE_ALL", "PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


@pytest.mark.parametrize("answers", AWKWARD, ids=lambda one: one.slug)
def test_what_was_answered_stands_in_the_package(answers: Answers, baked: dict[str, Path]) -> None:
    folder = baked[answers.slug]
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == answers.distribution
    assert project["description"] == answers.description
    assert project["authors"] == [{"name": answers.author}]
    assert project["entry-points"]["ostiary"] == {answers.slug: f"ostiary_{answers.slug}"}
    assert answers.author in (folder / "LICENSE").read_text(encoding="utf-8")
    assert answers.description in (folder / "README.md").read_text(encoding="utf-8")
    left = [path for path in folder.rglob("*") if path.is_file() and "cookiecutter" in str(path)]
    assert left == []


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_makes_no_plugin_is_refused(name: str, tmp_path: Path) -> None:
    done = bake(f"{name}\nAda\nA plugin.\n", tmp_path)
    assert done.returncode != 0
    assert REFUSED[name] in done.stderr
    assert list(tmp_path.glob("ostiary*")) == []


def test_its_workflows_publish_without_a_token_and_pin_what_they_run(
    baked: dict[str, Path],
) -> None:
    [folder, *_] = baked.values()
    workflows = {
        path.name: path.read_text(encoding="utf-8")
        for path in (folder / ".github" / "workflows").iterdir()
    }
    assert workflows.keys() == {"tests.yml", "publish.yml"}
    assert "id-token: write" in workflows["publish.yml"]
    assert "${{ matrix.python }}" in workflows["tests.yml"]
    for text in workflows.values():
        assert "secrets." not in text
        for line in text.splitlines():
            if "uses: " in line and "uses: ./" not in line:
                commit = line.partition("@")[2].split()[0]
                assert len(commit) == 40, line
                int(commit, 16)


@pytest.mark.parametrize("slug", [answers.slug for answers in AWKWARD])
def test_its_style_and_types_are_clean(
    slug: str, baked: dict[str, Path], python: str, clean: dict[str, str]
) -> None:
    folder, options = baked[slug], {"cwd": baked[slug], "env": clean}
    run([*MODULE, "ruff", "check"], **options)
    run([*MODULE, "ruff", "format", "--check"], **options)
    # Once is enough for types: they do not depend on what was answered but for names.
    if slug == AWKWARD[0].slug:
        run([*MODULE, "mypy", "--python-executable", python], **options)
    assert (folder / f"ostiary_{slug}" / "py.typed").exists()


def test_the_wheels_agree_with_each_other(python: str, clean: dict[str, str]) -> None:
    run([python, "-m", "pip", "check"], env=clean)
    installed = json.loads(run([python, "-m", "pip", "list", "--format=json"], env=clean))
    assert {answers.distribution for answers in AWKWARD} <= {one["name"] for one in installed}


def test_its_own_tests_pass_without_a_warning(
    baked: dict[str, Path], python: str, clean: dict[str, str]
) -> None:
    worst = baked[AWKWARD[2].slug]
    told = run([python, "-W", "error", "-m", "pytest", "-q"], cwd=worst, env=clean)
    assert " passed" in told
    assert " failed" not in told


def test_users_sign_in_with_each_of_them_on_a_real_server(
    python: str, clean: dict[str, str], tmp_path: Path
) -> None:
    slugs = [answers.slug for answers in AWKWARD]
    told = run([python, "-c", IN_ENVIRONMENT % (slugs,)], cwd=tmp_path, env=clean)
    assert json.loads(told) == dict.fromkeys(slugs, True)
