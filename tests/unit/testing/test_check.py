"""``ostiary plugins check`` tells how an installed plugin keeps its promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.cli import main
from ostiary.testing.packages import Package, badge, installed

CONTRACT = """
from ostiary.testing import StrategyContract

class Contract(StrategyContract):
    plugin = "badge"
    good = {"badge": "0042"}
    not_asked = {name: "the author says so" for name in REASONS}
"""
HEALTHY = json.dumps({"badge": "ann"})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def check(data: Path, *words: str) -> int:
    return main(["plugins", "check", *words, "--data", str(data)])


def test_a_broken_promise_is_told_with_its_reason_and_the_status(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = badge(get="return {}")
    with installed(tmp_path / "packages", package):
        assert check(data, "badge", "--good", HEALTHY) == 1
    told = capsys.readouterr()
    assert "broken     badge  absence: without credentials there is nothing to show" in told.out
    assert "kept       badge  login: good credentials sign their user in" in told.out
    assert "not asked  badge  work: an unknown user is as much work as a wrong secret: " in told.out
    assert "the plugin badge breaks" in told.err
    assert not data.exists(), "nothing of the operator's is touched"


def test_a_plugin_that_is_not_installed_breaks_the_first_promise_and_is_asked_no_other(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(data, "nowhere") == 1
    assert "0 kept, 1 broken, 0 not asked" in capsys.readouterr().out


@pytest.fixture
def with_contract(tmp_path: Path) -> Iterator[Package]:
    folder, package = tmp_path / "packages", badge()
    with installed(folder, package):
        from ostiary.testing.promises import NAMES

        reasons = f"REASONS = {[name for name in NAMES if name != 'loads']!r}\n"
        (folder / package.module / "contract.py").write_text(reasons + CONTRACT)
        (entry,) = folder.glob("*.dist-info/entry_points.txt")
        more = f"[ostiary.contract]\nbadge = {package.module}.contract:Contract\n"
        entry.write_text(entry.read_text() + more)
        yield package


@pytest.mark.usefixtures("with_contract")
def test_the_author_of_a_plugin_says_what_it_is_tried_with(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(data, "badge") == 0
    told = capsys.readouterr().out
    assert "with the credentials of toy_badge.contract:Contract" in told
    assert "1 kept, 0 broken" in told
    assert "the author says so" in told
