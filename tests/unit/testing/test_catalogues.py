"""Catalogues hold what a package says, and what is wrong with them is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostiary.testing.catalogues import Package, faults, refresh
from ostiary.testing.texts import texts_in

SOURCE = """
LONGEST, NAME = 8, "x"

class Pin(Strategy):
    label: str = "PIN"
    refusal: str = "Wrong PIN."
    fields = (CredentialField("pinCode", help="Digits only."), CredentialField("to", label="For"))

Taken = errors.PreconditionError.declare("plugin.pin.taken", 1, 'The number "{0}" is taken.')

def check(given):
    raise errors.CredentialsRejected(mark(f"has at most {LONGEST} digits"))
    raise errors.CredentialsRejected(mark(f"has not {given}"))
    parser.add_argument("--all", help="not for people")
"""


@pytest.fixture
def package(tmp_path: Path) -> Package:
    (tmp_path / "__init__.py").write_text(SOURCE, encoding="utf-8")
    return Package("toy_pin", tmp_path / "locale", (tmp_path,))


def test_texts_are_what_is_declared_and_what_is_marked() -> None:
    assert sorted(text.words for text in texts_in(SOURCE)) == [
        "Digits only.",
        "For",
        "PIN",
        "Pin code",
        'The number "{0}" is taken.',
        "Wrong PIN.",
        "has at most 8 digits",
    ]


def test_a_new_catalogue_has_everything_and_nothing_is_translated(package: Package) -> None:
    refresh(package, "fr")
    told = list(faults(package))
    assert len(told) == 7
    assert all(one.endswith("is not translated") for one in told)


def test_what_is_wrong_with_a_catalogue_is_told(package: Package) -> None:
    refresh(package, "fr")
    [path] = package.catalogues()
    text = path.read_text(encoding="utf-8")
    for words in (one.words for one in texts_in(SOURCE)):
        quoted = words.replace('"', '\\"')
        text = text.replace(f'msgid "{quoted}"\nmsgstr ""', f'msgid "{quoted}"\nmsgstr "{quoted}"')
    path.write_text(text, encoding="utf-8")
    assert list(faults(package)) == ["toy_pin (fr) is not compiled"]
    refresh(package)
    assert list(faults(package)) == []
    compiled = path.with_suffix(".mo").read_bytes()
    refresh(package)
    assert path.with_suffix(".mo").read_bytes() == compiled

    changed = SOURCE.replace("Digits only.", "Only digits.")
    (package.sources[0] / "__init__.py").write_text(changed, encoding="utf-8")
    assert list(faults(package)) == [
        "toy_pin (fr) lacks 'Only digits.'",
        "toy_pin (fr) has 'Digits only.', which nothing says",
    ]
    (package.sources[0] / "__init__.py").write_text(SOURCE, encoding="utf-8")
    path.write_text(path.read_text("utf-8").replace('msgstr "The number \\"{0}\\"', 'msgstr "It'))
    assert "has other values" in next(faults(package))
