"""Secrets are hashed whole, off the event loop, and never below OWASP's floor."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import pytest
from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.hash_pool import HashPool
from ostiary.hashing import FLOOR, Argon2Parameters, Hasher
from ostiary.keys import GRACE, MasterKey

pytestmark = pytest.mark.anyio

CHEAPEST = Argon2Parameters(time_cost=5, memory_cost=7168)
PATIENCE = 30
KEY = MasterKey.random()
PEPPER, OTHER = KEY.pepper("a"), MasterKey.random().pepper("a")

few = settings(max_examples=15, deadline=None)
texts = st.text(max_size=100)


@pytest.fixture(scope="module")
def pool() -> Iterator[HashPool]:
    pool = HashPool(2, 64)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def hasher(pool: HashPool) -> Hasher:
    return Hasher(PEPPER, CHEAPEST, pool)


@few
@given(secret=texts, other=texts)
async def test_a_secret_matches_its_own_hash_only(hasher: Hasher, secret: str, other: str) -> None:
    stored = await hasher.hash(secret)
    assert await hasher.matches(stored, secret)
    assert await hasher.matches(stored, other) == (secret == other)
    assert len(secret) < 4 or secret not in stored


@pytest.mark.parametrize(
    "secret, other",
    [
        ("a\0b", "a\0c"),
        ("a\0", "a"),
        ("x" * 72 + "a", "x" * 72 + "b"),
        ("x" * 1_000_000 + "a", "x" * 1_000_000 + "b"),
        (" secret", "secret"),
        ("secret ", "secret"),
        ("Secret", "secret"),
        ("caf\u00e9", "cafe\u0301"),
        ("\ud800", "\ud801"),
    ],
    ids=["NUL", "ends in NUL", "72", "1 MB", "before", "behind", "case", "normal form", "lone"],
)
async def test_a_secret_is_never_cut_or_changed(hasher: Hasher, secret: str, other: str) -> None:
    stored = await hasher.hash(secret)
    assert await hasher.matches(stored, secret)
    assert not await hasher.matches(stored, other)


async def test_equal_secrets_have_different_hashes(hasher: Hasher) -> None:
    assert await hasher.hash("secret") != await hasher.hash("secret")


async def test_a_hash_is_worthless_without_its_pepper(hasher: Hasher, pool: HashPool) -> None:
    stored = await hasher.hash("secret")
    assert not await Hasher(OTHER, CHEAPEST, pool).matches(stored, "secret")
    assert not await Hasher(KEY.pepper("b"), CHEAPEST, pool).matches(stored, "secret")


async def test_nobody_has_a_secret(hasher: Hasher) -> None:
    for secret in ("", "secret", "\0"):
        assert not await hasher.matches(None, secret)


async def test_nobody_is_as_much_work_as_somebody(pool: HashPool) -> None:
    for parameters in (CHEAPEST, Argon2Parameters(3, 12288, 2)):
        hasher = Hasher(PEPPER, parameters, pool)
        nobody = extract_parameters(hasher._nobody)
        assert nobody == extract_parameters(await hasher.hash("secret"))
        assert not hasher.outdated(hasher._nobody)


async def test_preparing_needs_a_parameter_set_that_works(pool: HashPool) -> None:
    await Hasher(PEPPER, CHEAPEST, pool).prepare()
    too_many = Argon2Parameters(memory_cost=2**27, parallelism=2**24)
    with pytest.raises(MemoryError):
        await Hasher(PEPPER, too_many, pool).prepare()


async def test_a_damaged_hash_is_a_fault_and_not_a_wrong_secret(hasher: Hasher) -> None:
    stored = await hasher.hash("secret")
    with pytest.raises(VerificationError):
        await hasher.matches(stored.replace("t=5", "t=x"), "secret")
    with pytest.raises(InvalidHashError):
        await hasher.matches("", "secret")


async def test_hashes_of_other_parameters_match_and_are_outdated(pool: HashPool) -> None:
    old = Hasher(PEPPER, CHEAPEST, pool)
    stored = await old.hash("secret")
    assert not old.outdated(stored)
    for parameters in (
        Argon2Parameters(6, 7168),
        Argon2Parameters(5, 8192),
        Argon2Parameters(5, 7168, 2),
        Argon2Parameters(),
    ):
        new = Hasher(PEPPER, parameters, pool)
        assert await new.matches(stored, "secret")
        assert new.outdated(stored)
        assert not new.outdated(await new.hash("secret"))


def test_hashes_of_another_kind_are_outdated(hasher: Hasher) -> None:
    assert hasher.outdated("$2b$12$abcdefghijklmnopqrstuv")
    assert hasher.outdated("$argon2i$v=19$m=7168,t=5,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA")
    assert hasher.outdated("")


def test_the_default_is_owasps_first_choice_for_two_passes() -> None:
    """PWD-01"""
    assert Argon2Parameters() == Argon2Parameters(time_cost=2, memory_cost=19456, parallelism=1)


@pytest.mark.parametrize("memory, passes", FLOOR)
def test_owasps_sets_and_stronger_ones_are_admitted(memory: int, passes: int) -> None:
    """PWD-01"""
    Argon2Parameters(time_cost=passes, memory_cost=memory)
    Argon2Parameters(time_cost=passes + 1, memory_cost=memory)
    Argon2Parameters(time_cost=passes, memory_cost=memory + 1, parallelism=4)
    with pytest.raises(ValueError, match="OWASP's floor"):
        Argon2Parameters(time_cost=passes, memory_cost=memory - 1)
    with pytest.raises(ValueError, match="OWASP's floor"):
        Argon2Parameters(time_cost=passes - 1, memory_cost=memory)


@pytest.mark.parametrize("lanes", [0, -1, 19456])
def test_lanes_are_at_least_one_and_have_memory(lanes: int) -> None:
    with pytest.raises(ValueError, match="lanes"):
        Argon2Parameters(parallelism=lanes)


def test_a_repr_shows_no_pepper(hasher: Hasher) -> None:
    assert repr(hasher) == "<Hasher m=7168 t=5>"


async def test_a_hash_remembers_the_pepper_it_was_made_with(pool: HashPool) -> None:
    """After a rotation of the master key old hashes still match, and are renewed."""
    old, new = MasterKey.random(), MasterKey.random()
    before = await Hasher(old.pepper("a"), CHEAPEST, pool).hash("secret")
    generation, sealed = old.sealed_by(new)
    new.settle(new.check_value(), {generation: sealed}, -GRACE)
    hasher = Hasher(new.pepper("a"), CHEAPEST, pool)
    after = await hasher.hash("secret")
    assert (before[0], after[:2]) == ("$", "2$")
    for stored in (before, after):
        assert await hasher.matches(stored, "secret")
        assert not await hasher.matches(stored, "another")
    assert (hasher.outdated(before), hasher.outdated(after)) == (True, False)
    with pytest.raises(InvalidHashError):
        await Hasher(old.pepper("a"), CHEAPEST, pool).matches(after, "secret")
    with pytest.raises(InvalidHashError):
        await hasher.matches("²" + before, "secret")


def test_what_holds_a_pepper_is_not_copied(hasher: Hasher) -> None:
    """ISO-15"""
    for copying in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            copying(hasher)
