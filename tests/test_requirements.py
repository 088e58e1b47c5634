"""REL-12: every requirement of the security model has a test that names it, and CI runs them all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = [ROOT / "tests", *ROOT.glob("plugins/*/tests")]
NUMBERS: dict[str, list[range]] = {
    "AUTH": [range(1, 4), range(10, 17), range(20, 27)],
    "PWD": [range(1, 14)],
    "TOK": [range(1, 35)],
    "KEY": [range(1, 10)],
    "AZ": [range(1, 16), range(20, 21)],
    "ADM": [range(1, 5), range(10, 12)],
    "RACE": [range(1, 15)],
    "INP": [range(1, 21)],
    "HTTP": [range(1, 22)],
    "LEAK": [range(1, 8)],
    "WS": [range(1, 13)],
    "OAU": [range(2, 22)],
}
REQUIREMENTS = [
    f"{family}-{number:02}"
    for family, numbers in NUMBERS.items()
    for span in numbers
    for number in span
] + ["PWD-02b"]
ID = re.compile(r"\b[A-Z]+-\d\db?\b")


def texts() -> Iterator[str]:
    """Yield the text of every test: its decorators, its documentation and its body."""
    for folder in FOLDERS:
        for path in sorted(folder.rglob("test_*.py")):
            text = path.read_text(encoding="utf-8")
            lines = text.splitlines()
            for node in ast.walk(ast.parse(text)):
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                if node.name.startswith("test_"):
                    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                    yield "\n".join(lines[first - 1 : node.end_lineno])


NAMED = {id for text in texts() for id in ID.findall(text)}


@pytest.mark.parametrize("id", REQUIREMENTS)
def test_a_requirement_is_named_by_a_test(id: str) -> None:
    assert id in NAMED, f"no test says that it proves {id}"
