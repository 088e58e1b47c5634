"""The fragments of the changelog can be gathered by a release."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "changelog"
FRAGMENTS = [file for file in sorted(FOLDER.iterdir()) if file.name != "README.md"]
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed|security)\.md")


@pytest.mark.parametrize("file", FRAGMENTS, ids=lambda file: str(file.name))
def test_a_fragment_has_a_kind_and_says_something_in_sentences(file: Path) -> None:
    assert NAME.fullmatch(file.name), "name it <slug>.<added|changed|fixed|removed|security>.md"
    text = file.read_text(encoding="utf-8")
    assert re.fullmatch(r"\S.*[.!]\n", text, re.DOTALL), "sentences, and one end of line"
    assert not text.startswith("#"), "the release sets the headings"
