"""A strategy baked from the template of plugins is simply there: no page knows anything of it."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page

from ostiary.errors import CATALOGUE

from .conftest import PASSWORD, Site, running
from .visitors import Screen

ROOT = Path(__file__).parents[2]
NAME, SLUG, MODULE = "Paper <i>key</i>", "paper_i_key_i", "ostiary_paper_i_key_i"
"""What its author calls it, and what the template makes of that."""

PHRASE = "correct horse battery staple"


@contextmanager
def baked(folder: Path) -> Iterator[None]:
    """Bake the template into this process, as pip would leave it; afterwards it is gone."""
    bake = [sys.executable, "-m", "cookiecutter", str(ROOT), "--directory", "plugins/template"]
    home = os.environ | {"HOME": str(folder), "PYTHONUTF8": "1"}
    answers = f"{NAME}\nAda\nA plugin.\n"
    done = subprocess.run(
        bake, input=answers, cwd=folder, env=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (project,) = folder.glob("ostiary-*")
    about = project / f"{MODULE}-0.1.0.dist-info"
    about.mkdir()
    named = f"Metadata-Version: 2.1\nName: {project.name}\nVersion: 0.1.0\n"
    (about / "METADATA").write_text(named, encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[ostiary]\n{SLUG} = {MODULE}\n", encoding="utf-8")
    sys.path.insert(0, str(project))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(project))
        importlib.invalidate_caches()
        for name in [one for one in sys.modules if one.partition(".")[0] == MODULE]:
            del sys.modules[name]
        for error in [one.id for one in CATALOGUE.values() if one.__module__.startswith(MODULE)]:
            del CATALOGUE[error]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with that strategy, whose users may look after their ways to sign in."""
    folder = tmp_path_factory.mktemp("baked")
    with baked(folder), running(folder, plugins__allow=["local", SLUG]) as made:
        made.administer().role("owner", auth=["*"])
        yield made


def test_no_code_of_pages_knows_it() -> None:
    pages = ROOT / "core" / "ostiary" / "pages"
    for file in (*pages.rglob("*.py"), *pages.rglob("*.html"), *pages.rglob("*.js")):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\b(ostiary_local|ostiary_oauth)\b", text), file
        assert not re.search(r"""["'](local|oauth)["']""", text), file


@pytest.mark.parametrize("name", ["desktop", "phone"])
def test_people_sign_in_by_it_add_it_and_are_given_it(
    name: str, site: Site, open_screen: Callable[[str, str], Screen]
) -> None:
    root = open_screen(site.url, name)
    page = root.open("/")
    _fill(page, **{"User name": "root", "Password": PASSWORD})
    page.get_by_role("button", name="Sign in").first.click()
    page.wait_for_url("**/-/account")

    # The console makes a user who signs in by it.
    page = root.open("/-/console/new-user")
    group = page.get_by_role("group", name=NAME)
    page.get_by_label("Identifier", exact=True).fill(f"carol-{name}")
    page.get_by_role("checkbox", name="owner").check()
    group.get_by_label("Member number", exact=True).fill(f"c-{name}")
    group.get_by_label("Secret phrase", exact=True).fill(PHRASE)
    root.look("template-create-user")
    page.get_by_role("button", name="Create the user").click()
    page.get_by_role("heading", name=f"carol-{name}").wait_for()

    # It searches for no credentials, and the others are searched all the same.
    page = root.open(f"/-/console/users?q=carol-{name}")
    page.get_by_role("link", name=f"carol-{name}").wait_for()

    # Who was made so signs in, and who has another way adds it.
    carol = open_screen(site.url, name)
    _sign_in(carol, f"c-{name}")
    carol.look("template-account")
    page = carol.open("/-/account/credentials")
    way = page.get_by_role("region", name=NAME)
    assert f"c-{name}" in way.inner_text()
    way.get_by_role("link", name="Change").click()
    page.get_by_label("Member number", exact=True).fill(f"d-{name}")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/-/account/credentials?done=*")
    carol.look("template-credentials")
    _sign_in(open_screen(site.url, name), f"d-{name}")


def _sign_in(screen: Screen, member: str) -> None:
    page = screen.open("/")
    screen.look("template-sign-in")
    form = page.get_by_role("form", name=NAME)
    form.get_by_label("Member number", exact=True).fill(member)
    form.get_by_label("Secret phrase", exact=True).fill(PHRASE)
    form.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/-/account")


def _fill(page: Page, **fields: str) -> None:
    for label, value in fields.items():
        page.get_by_label(label, exact=True).fill(value)
