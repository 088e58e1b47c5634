"""Kuids: what the server makes, and what a client may choose."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import errors
from ostiary.services.kuid import LONGEST, check_id, check_kuid, make_kuid


def test_a_kuid_is_made_of_words_that_people_can_tell_apart() -> None:
    made = {make_kuid() for _ in range(50)}
    assert all(re.fullmatch(r"kuid-[a-z]+-[a-z]+-\d{1,5}", kuid) for kuid in made)
    assert len(made) > 1


def test_a_kuid_may_be_a_uuid() -> None:
    uuid = r"kuid-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(uuid, make_kuid("uuid"))
    assert make_kuid("uuid") != make_kuid("uuid")


@pytest.mark.parametrize("id", ["ann", "-1x", "a b", "é", "%2F", "a/b", "x" * LONGEST, "é" * 256])
def test_an_id_may_be_nearly_anything(id: str) -> None:
    assert check_id(id) == id


@pytest.mark.parametrize(
    "id", [".", "..", "a\x00", "a\n", "\x7f", "\x85", "x" * (LONGEST + 1), "é" * 257]
)
def test_what_could_not_be_read_by_its_url_is_refused(id: str) -> None:
    with pytest.raises(errors.InvalidArgument):
        check_id(id)


@pytest.mark.parametrize("id", ["-1", "anonymous"])
def test_nobody_is_called_like_who_has_not_signed_in(id: str) -> None:
    """AZ-07"""
    with pytest.raises(errors.UserAlreadyExists):
        check_kuid(id)


@pytest.mark.parametrize("id", ["?" * LONGEST, "~" * 430])
def test_an_id_too_long_for_a_token_is_refused(id: str) -> None:
    """TOK-08"""
    with pytest.raises(errors.InvalidArgument):
        check_id(id)


def test_the_name_of_a_route_is_no_id() -> None:
    """INP-03"""
    with pytest.raises(errors.SearchAsAnId):
        check_id("_search")
    for word in ("_mapping", "_mGet", "_create", "_me"):
        with pytest.raises(errors.InvalidArgument):
            check_id(word)


@given(st.text())
def test_an_id_is_kept_as_it_is_or_refused(id: str) -> None:
    try:
        assert check_id(id) == id
    except (errors.BadRequestError, errors.UserAlreadyExists):
        return
    assert len(id.encode()) <= LONGEST
