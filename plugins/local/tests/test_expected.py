"""Names of the user and of the service are no passwords, and neither is what is made of them."""

from __future__ import annotations

import pytest

from ostiary_local.expected import expected, pieces

KNOWN = ("theodora.blankenship@tannenbaum.example", "li", "Straße", "user-0042")


@pytest.mark.parametrize(
    "password",
    [
        "theodora.blankenship@tannenbaum.example",
        "Theodora.Blankenship",
        "THEODORABLANKENSHIP",
        "blankenship, theodora 1987",
        "tannenbaumtannenbaum",
        "Tannenbaum2026!!!",
        "tannenbaum19870412",
        "theodora blankenship 12345678",
        "li",
        "strasse",
        "STRASSE-theodora",
    ],
)
def test_names_and_what_is_made_of_them_are_expected(password: str) -> None:
    """PWD-06."""
    assert expected(password, KNOWN)


@pytest.mark.parametrize(
    "password",
    [
        "theodora likes long passwords",
        "blankenship x",
        "19870412198704",
        "!!!!!!!!!!!!!!!!",
        "lililililili",
        "correct horse battery staple",
        "theodora" * 40,
    ],
)
def test_what_only_has_a_name_in_it_is_not(password: str) -> None:
    assert not expected(password, KNOWN)


def test_without_names_nothing_is_expected() -> None:
    assert not expected("password", [])
    assert not expected("password", ["", "@", "..."])


def test_the_parts_of_a_name_are_known() -> None:
    assert pieces(["ann@example.org"]) == ["ann@example.org", "ann", "example", "org"]
    assert pieces(["a_bcd", "\ud800"]) == ["a_bcd", "bcd"]
