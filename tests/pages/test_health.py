"""Health in the console: what each sees of it, plots and the same figures, renewed by themselves."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import PASSWORD, Site, running
from .visitors import Screen, Visitor

PATH = "/-/console/health"
MINUTE = 60_000


class Kept:
    """The minutes in the store of a server."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "core.db"

    def add(self, ago: int, sign_ins: int) -> None:
        """Have people signed in some minutes ago, 100 ms each; and one of them refused."""
        minute = (time.time_ns() // 1_000_000 // MINUTE - ago) * MINUTE
        with closing(sqlite3.connect(self._file)) as file, file:
            file.execute(
                "INSERT INTO minutes (minute, requests, refused, sign_ins, sign_ins_refused, "
                "request_8, login_13) VALUES (?, 1500, 1, ?, 1, 1490, ?)",
                (minute, sign_ins, sign_ins),
            )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    with running(folder) as made:
        yield made.administer()


@pytest.fixture(scope="module")
def kept(site: Site, folder: Path) -> Kept:
    # The store is there once the server is.
    kept = Kept(folder)
    # At another minute of the next test they are still there, and still apart.
    kept.add(20, 11)
    kept.add(50, 7)
    kept.add(5 * 60, 29)
    return kept


@pytest.fixture
def signed_in(visitor: Visitor, site: Site) -> Visitor:
    return visitor.sign_in("local", **site.credentials("root"))


def column(visitor: Visitor, table: str, number: int = 1) -> list[str]:
    """Return a column of figures."""
    rows = visitor.soup.select(f"#{table} tr")
    return [row.select("td")[number - 1].get_text() for row in rows]


def test_an_administrator_sees_the_state_and_the_process(signed_in: Visitor) -> None:
    signed_in.open(PATH)
    assert "Everything that the server depends on works." in signed_in.text
    for told in ("sqlite", "Requests that run", "Open connections"):
        assert told in signed_in.text
    (here,) = signed_in.soup.select(".sections [aria-current=page]")
    assert here["href"] == PATH


@pytest.mark.usefixtures("kept")
def test_plots_say_in_words_and_figures_what_they_show(signed_in: Visitor) -> None:
    signed_in.open(PATH)
    drawn = signed_in.soup.select("svg[role=img]")
    names = [str(svg["aria-labelledby"]).split() for svg in drawn]
    told = {
        one: found.get_text()
        for pair in names
        for one in pair
        if (found := signed_in.soup.find(id=one)) is not None
    }
    assert len(told) == 2 * len(drawn) == 14
    assert "18 in all" in told["signIns-desc"]
    assert told["failed-desc"] == "None."
    assert "Median from" in told["loginTimes-desc"]
    assert column(signed_in, "sign-ins") == ["11", "7"]
    assert column(signed_in, "requests") == ["1\N{NARROW NO-BREAK SPACE}500"] * 2
    assert column(signed_in, "login-times")[0].endswith("ms")
    bars = signed_in.soup.select_one("svg[aria-labelledby^=signIns-] .bars")
    assert bars is not None
    assert str(bars["d"]).count("z") == 2


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("span, signed", [("hour", 18), ("day", 47), ("week", 47)])
def test_links_lead_further_back(signed_in: Visitor, span: str, signed: int) -> None:
    signed_in.open(PATH)
    (link,) = signed_in.soup.select(f'.spans a[href$="span={span}"]')
    signed_in.open(str(link["href"]))
    (current,) = signed_in.soup.select(".spans [aria-current]")
    assert current["href"] == link["href"]
    assert sum(int(number) for number in column(signed_in, "sign-ins")) == signed


@pytest.mark.parametrize(
    "action, seen",
    [
        ("healthCheck", "depends on works"),
        ("info", "Python"),
        ("metrics", "Open connections"),
        ("getHistory", "How long it takes"),
    ],
)
def test_who_may_see_a_part_sees_that_part(
    site: Site, visitor: Visitor, action: str, seen: str
) -> None:
    site.role(f"only-{action}", server=[action], auth=["getCurrentUser"])
    site.person(f"p-{action}", f"only-{action}")
    visitor.sign_in("local", **site.credentials(f"p-{action}")).open(PATH)
    assert visitor.status == 200
    parts = ("depends on works", "Python", "Open connections", "How long it takes")
    assert [part for part in parts if part in visitor.text] == [seen]
    assert len(visitor.soup.select(".sections a")) == 1


def test_who_may_see_nothing_of_it_does_not_see_it(site: Site, visitor: Visitor) -> None:
    site.person("nobody-special")
    visitor.sign_in("local", **site.credentials("nobody-special")).open(PATH)
    assert visitor.status == 403
    assert visitor.soup.select("svg") == []


def test_the_first_page_of_the_console_shows_the_last_hour(signed_in: Visitor) -> None:
    signed_in.open("/-/console")
    assert "Everything that the server depends on works." in signed_in.text
    assert len(signed_in.soup.select("svg[role=img]")) == 2


def test_it_renews_itself_and_leaves_open_what_is_open(
    screen: Screen, site: Site, kept: Kept
) -> None:
    page = screen.sign_in("local", username="root", password=PASSWORD)
    page.clock.install()
    screen.open(f"{PATH}?span=day")
    screen.look("health")
    page.get_by_text("The same in figures").click()
    ago, sign_ins = (600, 801) if screen.name == "phone" else (900, 802)
    kept.add(ago, sign_ins)
    page.clock.run_for(31_000)
    expect(page.locator("#sign-ins").get_by_text(str(sign_ins), exact=True)).to_be_visible()
    assert page.get_by_role("table").first.is_visible()
    screen.look("health-figures")
    assert site.url in page.url
