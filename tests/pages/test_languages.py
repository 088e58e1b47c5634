"""Pages speak the language of who reads them, and so does what plugins declare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.pages.languages import wanted
from ostiary.testing.catalogues import Package, faults
from ostiary.testing.packages import badge, installed

from .conftest import PASSWORD, NewSite, Site
from .visitors import Screen, Visitor

PACKAGES = ["ostiary", "ostiary_local", "ostiary_oauth"]
FRENCH = {"Accept-Language": "fr-CA,fr;q=0.8,en;q=0.5"}
TRANSLATED = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgid "Badge"
msgstr "Carte <b>d'accès</b>"

msgid "Wrong credentials."
msgstr "Carte inconnue."
"""


@pytest.fixture
def french(site: Site) -> Iterator[Visitor]:
    """Somebody who reads French."""
    with Visitor(site.url, **FRENCH) as made:
        yield made


@pytest.mark.parametrize("package", PACKAGES)
def test_the_catalogues_say_all_that_the_code_says_and_are_compiled(package: str) -> None:
    one = Package.named(package)
    assert [one.parent.parent.name for one in one.catalogues()] == ["fr"]
    assert list(faults(one)) == [], f"run python -m ostiary.testing.catalogues {package}"


@pytest.mark.parametrize(
    "accepted, chosen, language",
    [
        (None, None, "en"),
        ("fr", None, "fr"),
        ("de, fr-CH;q=0.7, en;q=0.2", None, "fr"),
        ("en;q=0.2, fr;q=0.1", None, "en"),
        ("fr;q=0, de", None, "en"),
        ("fr;q=high, *", None, "en"),
        ("fr", "en", "en"),
        ("en", "../../etc", "en"),
    ],
)
def test_the_best_language_that_there_is(
    accepted: str | None, chosen: str | None, language: str
) -> None:
    assert wanted(accepted, chosen) == language


def test_pages_and_what_strategies_declare_are_in_the_language_of_the_browser(
    french: Visitor,
) -> None:
    french.open("/")
    assert french.language == "fr"
    assert french.soup.select("h1")[0].text == "Se connecter"
    assert {"Nom d\u2019utilisateur", "Mot de passe"} <= {one.text for one in french.soup("label")}


def test_errors_are_told_in_the_language_of_the_browser(french: Visitor) -> None:
    french.sign_in("local", username="nobody", password="wrong, of course")
    assert "Nom d\u2019utilisateur ou mot de passe incorrect." in french.text


def test_a_language_is_chosen_on_any_page_and_kept(visitor: Visitor) -> None:
    visitor.sign_in("local", username="root", password=PASSWORD).open("/-/account?done=saved")
    visitor.send("/-/language", language="fr")
    assert (visitor.path, visitor.language) == ("/-/account", "fr")
    assert visitor.open("/-/console").language == "fr"
    visitor.send("/-/language", language="en")
    assert (visitor.path, visitor.language) == ("/-/console", "en")


def test_choosing_a_language_leads_nowhere_else(visitor: Visitor) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/", "/?\\evil", "/-/\n//x"):
        visitor.open("/").send("/-/language", language="fr", then=elsewhere)
        assert visitor.path == "/"
    visitor.send("/-/language", language="../../etc", then="/")
    assert visitor.language == "fr"


def test_a_form_that_was_refused_leads_back_to_a_page_that_is_there(visitor: Visitor) -> None:
    visitor.sign_in("local", username="nobody", password="wrong, of course")
    visitor.send("/-/language", language="fr")
    assert (visitor.status, visitor.path) == (200, "/")


def test_a_plugin_brings_the_translations_of_its_own_words(
    new_site: NewSite, tmp_path: Path
) -> None:
    with installed(tmp_path, badge()) as folder:
        write_catalogue(folder / "toy_badge")
        site = new_site(plugins__allow=["local", "badge"])
        with Visitor(site.url, **FRENCH) as visitor:
            visitor.open("/")
            # What a catalogue says is text, as what a plugin says.
            assert "Carte <b>d'accès</b>" in {one.text for one in visitor.soup("label")}
            visitor.send("/-/sign-in/badge", badge="unknown")
            assert visitor.soup.select("[role=alert]")[0].get_text(strip=True) == "Carte inconnue."


def test_a_language_is_chosen_with_a_browser(screen: Screen) -> None:
    page = screen.open("/")
    page.get_by_role("button", name="Français").click()
    page.get_by_role("heading", name="Se connecter").wait_for()
    screen.look("sign-in-french")


def write_catalogue(package: Path) -> None:
    """Write a catalogue as a wheel would bring it."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    folder = package / "locale" / "fr" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / f"{package.name}.mo").open("wb") as file:
        write_mo(file, read_po(TRANSLATED.strip().splitlines(keepends=True)))
