"""What an operator is told when a server listens: links that work, wherever it listens."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.greeting import Greeting, setup_link
from ostiary.settings import Settings, load

SECRET = "2ufl3zxh5ot26k6rj3nqvyc4ewm7dapb"


def loaded(*, dev: bool = False, **given: Any) -> Settings:
    overrides = {name.replace("__", "."): value for name, value in given.items()}
    return load(config=None, environment={"HOME": "/tmp"}, overrides=overrides, dev=dev)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    def tell(
        *,
        dev: bool = False,
        first: bool = True,
        alone: bool = True,
        secret: str | None = SECRET,
        **given: Any,
    ) -> str:
        settings = loaded(dev=dev, **given)
        Greeting(settings=settings, secret=secret, alone=alone, first=first).tell(4321)
        return capsys.readouterr().err

    return tell


@pytest.mark.parametrize(
    "host, link",
    [
        ("127.0.0.1", "http://127.0.0.1:4321"),
        ("localhost", "http://localhost:4321"),
        ("0.0.0.0", "http://127.0.0.1:4321"),
        ("::", "http://[::1]:4321"),
        ("::1", "http://[::1]:4321"),
        ("192.0.2.7", "http://192.0.2.7:4321"),
        ("2001:db8::7", "http://[2001:db8::7]:4321"),
        ("id.example", "http://id.example:4321"),
    ],
)
def test_the_link_leads_to_where_the_server_listens(host: str, link: str) -> None:
    assert setup_link(loaded(server__host=host), SECRET, 4321) == f"{link}/-/setup#{SECRET}"


def test_the_link_leads_to_where_browsers_reach_the_server() -> None:
    settings = loaded(server__publicUrl="https://id.example/auth/")
    assert setup_link(settings, SECRET, 4321) == f"https://id.example/auth/-/setup#{SECRET}"


def test_a_first_start_tells_the_link_and_the_secret(told: Any) -> None:
    text = told()
    assert f"Setup secret: {SECRET}\n" in text
    assert f"  http://127.0.0.1:4321/-/setup#{SECRET}\n" in text
    assert "X-Ostiary-Setup" in text
    assert "another machine" not in text


def test_who_listens_everywhere_is_told_what_others_have_to_write(told: Any) -> None:
    assert "another machine" in told(server__host="0.0.0.0")
    assert "another machine" not in told(
        server__host="0.0.0.0", server__publicUrl="https://id.example"
    )


def test_without_pages_the_secret_is_told_as_ever(told: Any) -> None:
    for given in ({"pages__enabled": False}, {"http__cookieAuthentication": False}):
        text = told(**given)
        assert "/-/setup" not in text
        assert f"Setup secret: {SECRET}\nShown this once. Send it as X-Ostiary-Setup" in text


def test_a_secret_that_the_operator_has_set_is_not_told(told: Any) -> None:
    text = told(secret=None)
    assert "http://127.0.0.1:4321/-/setup\n" in text
    assert "Setup secret:" not in text
    assert told(secret=None, pages__enabled=False) == ""


def test_what_was_told_once_is_not_told_again(told: Any) -> None:
    assert told(first=False) == told(first=False, alone=False) == ""


def test_dev_leads_to_what_is_to_be_done_first(told: Any) -> None:
    assert "http://127.0.0.1:4321/-/setup\n" in told(dev=True, first=False, secret=None)
    assert "http://127.0.0.1:4321/\n" in told(dev=True, first=False, alone=False)
    assert told(dev=True, first=False, pages__enabled=False) == ""


def test_no_secret_is_in_its_representation() -> None:
    greeting = Greeting(settings=loaded(), secret=SECRET, alone=True, first=True)
    assert SECRET not in repr(greeting)
