"""A new user name that looks like another's is refused; what signs in is never compared so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import errors
from ostiary_local import lookalikes
from ostiary_local.errors import InvalidUsername, UsernameTaken

if TYPE_CHECKING:
    from .conftest import Local

pytestmark = pytest.mark.anyio

CYRILLIC = "\u0440\u0430\u0443"
"""It looks like "pay"."""


@pytest.mark.parametrize(
    "theirs, mine",
    [
        ("pay", CYRILLIC),
        (CYRILLIC, "pay"),
        ("Hata", "\u041d\u0410\u0422\u0410"),
        ("scope", "\u0455\u0441\u043e\u0440\u0435"),
        ("zo\u00eb", "z\u03bf\u00eb"),
        ("pay@example.com", f"{CYRILLIC}@example.com"),
        ("rnarie", "m\u0430rie"),
    ],
    ids=ascii,
)
async def test_a_look_alike_of_a_name_is_refused(local: Local, theirs: str, mine: str) -> None:
    """UTS 39, 4."""
    kind = "email" if "@" in theirs else "username"
    await local.create("ann", password="x", **{kind: theirs})
    with pytest.raises((UsernameTaken, InvalidUsername)):
        await local.create("eve", username=mine, password="x")
    await local.create("bob", username="bob", password="x")
    with pytest.raises((UsernameTaken, InvalidUsername)):
        await local.update("bob", username=mine)
    with pytest.raises(errors.LoginRefused):
        await local.login(mine, "x")


async def test_in_ascii_user1_and_userl_are_two(local: Local) -> None:
    for name in ("user1", "userl", "userI"):
        if name != "userI":
            await local.create(name, username=name, password="x")
    assert await local.login("user1", "x") == "user1"
    assert await local.login("userl", "x") == "userl"


async def test_another_spelling_of_ones_own_name_is_no_look_alike(local: Local) -> None:
    await local.create("ann", username=CYRILLIC, password="x")
    assert await local.update("ann", username=CYRILLIC.upper()) == {"username": CYRILLIC.upper()}
    assert await local.update("ann", username="pay") == {"username": "pay"}


@pytest.mark.parametrize(
    "name", ["p\u0430ypal", "\u0410nn", "ad\u0e50min", "\u03b1\u0431\u0441"], ids=ascii
)
async def test_a_word_of_letters_that_imitate_others_is_refused(local: Local, name: str) -> None:
    """UTS 39, 5: whoever is imitated, and whether or not they are here."""
    with pytest.raises(InvalidUsername, match="alphabets"):
        await local.create("eve", username=name, password="x")


@pytest.mark.parametrize(
    "name",
    [
        "Zoë",
        "Мария",
        "Ann Мария",
        "山田太郎",
        "ヤマダtaro",
        "한글abc",
        "Ελλάδα 2",
        "أحمد",
        "x²",
    ],
)
async def test_people_who_write_otherwise_keep_their_names(local: Local, name: str) -> None:
    await local.create("ann", username=name, password="x")
    assert await local.login(name, "x") == "ann"


async def test_whoever_wants_exact_names_or_says_so_may_have_look_alikes(local: Local) -> None:
    for number, settings in enumerate(({"confusables": "allow"}, {"usernameMatching": "exact"})):
        other = local.configured(**settings)
        for name in (f"pay{number}", f"{CYRILLIC}{number}", f"p\u0430y{number}"):
            await other.create(name, username=name, password="x")
            assert await other.login(name, "x") == await local.login(name, "x") == name


@given(name=st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_the_short_table_of_ascii_is_that_of_unicode(name: str) -> None:
    beside = lookalikes.skeleton(name + "\u3042")
    assert lookalikes.skeleton(name) + lookalikes.skeleton("\u3042") == beside


@given(name=st.text(max_size=40))
def test_every_text_has_a_skeleton_which_is_its_own(name: str) -> None:
    once = lookalikes.skeleton(name)
    assert lookalikes.skeleton(once) == once
    assert lookalikes.imitates(name) in (True, False)
