"""Every goal of speed and of reliability has a measurement or a test that names it."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEED = [f"G{number}" for number in range(1, 11)]
RELIABILITY = [f"REL-{number:02}" for number in range(1, 13)]
FIGURE = re.compile(r'(?:at_most|at_least|_of_raw)\(\s*"(G\d+|REL-\d\d)"')
ID = re.compile(r"\bREL-\d\d\b")

BENCHES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "bench").glob("*.py"))]
TESTS = [
    path.read_text(encoding="utf-8")
    for folder in (ROOT / "tests", *ROOT.glob("plugins/*/tests"))
    for path in sorted(folder.rglob("test_*.py"))
    if path != Path(__file__)
]
MEASURED = set(chain.from_iterable(map(FIGURE.findall, BENCHES)))
TESTED = set(chain.from_iterable(map(ID.findall, TESTS)))
README = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("goal", SPEED)
def test_a_goal_of_speed_is_measured(goal: str) -> None:
    assert goal in MEASURED, f"no program in bench/ reports a figure of {goal}"


@pytest.mark.parametrize("goal", RELIABILITY)
def test_a_goal_of_reliability_is_tested_or_measured(goal: str) -> None:
    assert goal in TESTED | MEASURED, f"no test and no program in bench/ says that it proves {goal}"


@pytest.mark.parametrize("program", sorted(path.name for path in (ROOT / "bench").glob("*.py")))
def test_a_program_is_described(program: str) -> None:
    assert program in README or "main()" not in (ROOT / "bench" / program).read_text(), program
