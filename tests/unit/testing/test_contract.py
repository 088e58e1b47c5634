"""What an author's subclass of the contract does with pytest, and with functions for credentials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ostiary.fields import CredentialField
from ostiary.strategies import Strategy
from ostiary.testing import StrategyContract
from ostiary.testing.packages import badge, installed
from ostiary.testing.promises.life import absence, deletion
from ostiary.testing.promises.views import views
from ostiary.testing.subject import Sample, Subject


class Badge(StrategyContract):
    plugin = "badge"
    not_asked = {"deletion": "badges are handed on"}

    def good(self, n: int) -> dict[str, Any]:
        return {"badge": f"badge-{n}"}


@pytest.fixture(autouse=True)
def toy(tmp_path: Path) -> Iterator[None]:
    with installed(tmp_path, badge(get="return {}")):
        yield


def test_a_kept_promise_passes_and_a_broken_one_fails_with_its_reason() -> None:
    Badge().test_keeps(views, "sqlite")
    with pytest.raises(pytest.fail.Exception, match="get shows credentials of a user who never"):
        Badge().test_keeps(absence, "sqlite")


def test_who_opts_out_of_a_promise_is_skipped_with_the_reason() -> None:
    with pytest.raises(pytest.skip.Exception, match="badges are handed on"):
        Badge().test_keeps(deletion, "sqlite")


def test_nobody_opts_out_of_a_promise_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="'uniquity'"):
        type("Wrong", (StrategyContract,), {"not_asked": {"uniquity": "a slip"}})


def test_credentials_are_made_of_the_fields_of_a_strategy() -> None:
    fields = (
        "username",
        CredentialField("password", secret=True),
        CredentialField("age", kind="number"),
    )
    sample = Sample(Subject(plugin="x"), Strategy(name="x", fields=fields, identifier="username"))
    first, second = sample.good(0), sample.good(1)
    assert first.keys() == second.keys() == {"username", "password", "age"}
    assert all(first[name] != second[name] for name in first)
    assert sample.secrets == ("password",)
    assert sample.wrong is not None
    assert sample.wrong == {**first, "password": sample.wrong["password"]}
    assert sample.wrong["password"] not in (first["password"], second["password"])
    assert sample.unknown == {**first, "username": second["username"]}
