"""An operator's name, logo and colours are on every page, and bring nothing else with them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import httpx2
import pytest

from ostiary.settings import SettingsError
from ostiary.settings.logo import LARGEST, read_logo

from .conftest import NewSite, Site
from .visitors import Screen, Visitor

OPEN = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40" onload="x()">'
SVG = f"""<?xml version="1.0"?>
{OPEN}<script>document.title = "ran"</script><circle cx="20" cy="20" r="20" fill="#0a7"/></svg>
"""


@pytest.fixture
def branded(new_site: NewSite, tmp_path: Path) -> Site:
    """A server with a logo that would like to run, and with colours."""
    logo = tmp_path / "logo.svg"
    logo.write_text(SVG, encoding="utf-8")
    return new_site(
        pages__name="Acme <b>& Sons", pages__logo=str(logo), pages__colors__accent="#7a1f5c"
    )


def test_the_name_is_text(branded: Site) -> None:
    with Visitor(branded.url) as visitor:
        assert visitor.open("/").soup.select(".brand")[0].get_text(strip=True) == "Acme <b>& Sons"


def test_colours_come_as_a_stylesheet_and_can_be_read(branded: Site) -> None:
    with Visitor(branded.url) as visitor:
        sheets = [one["href"] for one in visitor.open("/").soup.select("link[rel=stylesheet]")]
    answer = httpx2.get(f"{branded.url}{sheets[1]}")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert ":root { --accent: #7a1f5c; --on-accent: #ffffff; }" in answer.text
    assert "prefers-color-scheme: dark" in answer.text


def addresses(site: Site) -> dict[str, str]:
    """Return where the files of the first page are, by their names."""
    with Visitor(site.url) as visitor:
        found = visitor.open("/").soup.select("link[rel=stylesheet], .brand img")
    paths = [str(one.get("href") or one.get("src")) for one in found]
    return {path.partition("?")[0].rpartition("/")[2]: f"{site.url}{path}" for path in paths}


def test_files_are_the_same_for_everybody_and_kept_if_they_are_what_was_asked_for(
    branded: Site,
) -> None:
    """While machines are upgraded in turn, a page of one may ask another, which has the old file."""
    for name, url in addresses(branded).items():
        ways = ("gzip", "deflate", "identity", "gzip")
        answers = [httpx2.get(url, headers={"Accept-Encoding": one}) for one in ways]
        assert {one.text for one in answers} == {answers[2].text}, name
        kept = [one.headers["cache-control"] for one in (*answers, httpx2.get(f"{url}x"))]
        assert ["immutable" in one for one in kept] == [True] * len(ways) + [False], name
        begins = {"logo": "<?xml", "theme.css": ":root", "ostiary.css": "/*"}
        assert answers[2].text.startswith(begins[name])


def test_a_logo_is_shown_and_never_runs(
    branded: Site, open_screen: Callable[[str, str], Screen]
) -> None:
    screen = open_screen(branded.url, "desktop")
    page = screen.open("/")
    picture = page.locator(".brand img")
    assert picture.evaluate("one => one.complete && one.naturalWidth > 0")
    screen.look("branded")
    address = str(picture.get_attribute("src"))
    assert page.locator("link[rel=icon]").get_attribute("href") == address
    answer = page.goto(f"{branded.url}{address}")
    assert answer is not None
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert "ran" not in page.title()


def test_htmx_is_as_its_authors_have_published_it(packages: Path) -> None:
    static, published = files("ostiary.pages") / "static", packages / "htmx.org"
    assert (static / "htmx.js").read_bytes() == (published / "dist" / "htmx.min.js").read_bytes()
    license_ = (published / "LICENSE").read_text(encoding="utf-8").strip()
    assert license_ in (static / "htmx.LICENSE").read_text(encoding="utf-8")


def test_a_browser_asks_for_nothing_but_what_the_page_names(screen: Screen) -> None:
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    screen.open("/").wait_for_load_state("networkidle")
    assert all(one.startswith((f"{screen.url}/-/static/", f"{screen.url}/")) for one in asked)
    assert not any("favicon.ico" in one for one in asked)


@pytest.mark.parametrize(
    "kind, content",
    {
        "image/png": b"\x89PNG\r\n\x1a\n...",
        "image/jpeg": b"\xff\xd8\xff\xe0...",
        "image/webp": b"RIFF\0\0\0\0WEBP...",
        "image/svg+xml": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- made by -->\n<!DOCTYPE svg>\n<svg/>',
    }.items(),
)
def test_a_logo_is_known_by_what_is_in_it(kind: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "logo"
    file.write_bytes(content)
    assert read_logo(file).kind == kind


@pytest.mark.parametrize(
    "content, told",
    [
        (b"<html><svg></html>", "no SVG, PNG, WebP or JPEG"),
        (b"GIF89a", "no SVG, PNG, WebP or JPEG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(LARGEST), "more than 32 kB"),
    ],
)
def test_what_is_no_small_picture_stops_the_start(
    content: bytes, told: str, new_site: NewSite, tmp_path: Path
) -> None:
    file = tmp_path / "logo"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=told):
        new_site(pages__logo=str(file))


def test_a_logo_that_is_not_there_stops_the_start(new_site: NewSite, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        new_site(pages__logo=str(tmp_path / "nothing.svg"))
