"""Hashes of other systems: each is read, proved by its password alone, and kept as it is."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary_local.foreign import Foreign, UnknownHash, libcrypt, parse, parse_outline
from ostiary_local.foreign.crypt import Crypt

FOLDER = Path(__file__).parent / "hashes"


def vectors(name: str) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return read


LIBRARIES = vectors("libraries") + vectors("published")
KUZZLE = vectors("kuzzle")
HASHES = [one["hash"] for one in LIBRARIES] + [one["document"] for one in KUZZLE]


def names(vectors: list[dict[str, Any]]) -> list[str]:
    return [f"{number}: {named(vector)}" for number, vector in enumerate(vectors)]


def named(vector: dict[str, Any]) -> str:
    if "document" not in vector:
        return f"{vector['scheme']} of {vector['made by']}"
    one = vector["document"]
    ways = f"{one['algorithm']}-{one['stretching']}-{one.get('encryption')}"
    return f"{ways}-{vector['digest']}-{len(one['userSalt'])}"


@pytest.mark.parametrize("vector", LIBRARIES, ids=names(LIBRARIES))
def test_what_others_made_is_proved_by_its_password_alone(vector: dict[str, Any]) -> None:
    theirs = parse(vector["hash"])
    assert theirs.scheme == vector["scheme"]
    assert theirs.matches(vector["password"])
    assert not theirs.matches(vector["password"] + "x")
    assert not theirs.matches("")


@pytest.mark.parametrize("vector", KUZZLE, ids=names(KUZZLE))
def test_what_kuzzle_made_is_proved_by_its_password_alone(vector: dict[str, Any]) -> None:
    theirs = parse(vector["document"])
    assert theirs.matches(vector["password"])
    assert not theirs.matches(vector["password"] + "x")
    told = parse({**vector["document"], "digest": vector["digest"]})
    assert told.matches(vector["password"])
    stretched, salted = vector["document"]["stretching"], vector["document"]["userSalt"]
    assert theirs.weak is not (stretched and bool(salted))


@pytest.mark.parametrize("hash", HASHES, ids=names(LIBRARIES + KUZZLE))
def test_the_text_to_store_is_read_as_the_same_hash(hash: Any) -> None:
    theirs = parse(hash)
    again = parse(theirs.text)
    assert again == theirs
    assert (again.text, again.scheme, again.weak) == (theirs.text, theirs.scheme, theirs.weak)
    assert parse(f" {theirs.text}\n") == theirs


SOME = [*LIBRARIES, *KUZZLE[:9], *KUZZLE[-27:]]


@pytest.mark.parametrize("vector", SOME, ids=names(SOME))
def test_an_outline_makes_the_value_and_does_not_hold_it(vector: dict[str, Any]) -> None:
    theirs = parse(vector.get("hash") or vector["document"])
    outline = parse_outline(theirs.outline)
    assert outline.text == theirs.outline
    assert outline.scheme == theirs.scheme
    assert outline.digest(vector["password"]) == theirs.value
    for written in (theirs.value.decode("latin-1"), base64.b64encode(theirs.value).decode()[:-3]):
        assert written not in outline.text
    with pytest.raises(UnknownHash):
        parse(theirs.outline)
    with pytest.raises(UnknownHash):
        parse_outline(theirs.text)


@pytest.mark.parametrize("vector", LIBRARIES + KUZZLE, ids=names(LIBRARIES + KUZZLE))
def test_nothing_shows_a_hash(vector: dict[str, Any]) -> None:
    """LEAK-05."""
    theirs = parse(vector.get("hash") or vector["document"])
    shown = repr([theirs, theirs.recipe, parse_outline(theirs.outline)])
    for part in theirs.text.split("$")[2:]:
        assert len(part) < 8 or part not in shown or part.startswith(("rounds=", "m=", "ln="))


# What is not taken


@pytest.mark.parametrize("hash", HASHES, ids=names(LIBRARIES + KUZZLE))
def test_a_hash_that_is_cut_off_is_refused(hash: Any) -> None:
    """An empty or shortened value proves nothing."""
    text = parse(hash).text
    tail = len(text.rpartition("$")[2])
    # Where the length of a value is free, a shortened one is a whole one, down to 16 bytes.
    free = text.startswith(("$scrypt", "$argon2")) or "$as=utf8$" in text
    for missing in {1, 2, 3, 4, 8, tail // 2, tail - 1, tail, tail + 1}:
        with pytest.raises(UnknownHash):
            parse(text[: len(text) - (max(missing, tail - 20) if free else missing)])


REFUSED = {
    "": "without a password",
    "!": "without a password",
    "!$6$abc$def": "without a password",
    "x": "without a password",
    "*": "without a password",
    "hunter2": "no shape",
    "5f4dcc3b5aa765d61d8327deb882cf99": "no shape",
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7": "no function",
    "$": "no function",
    "$6": "no function",
    "{CRYPT}rqXexS6ZhobKA": "begins with a dollar",
    "{CLEARTEXT}secret": "in clear",
    "{WHAT}abc": "scheme in braces",
    "{SSHA}": "is it cut off",
    "{SHA}": "is it cut off",
    "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=": "no salt",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfRzYWx0": "instead of 20",
    "{SMD5}%%%": "no base64",
    "{PBKDF2-SHA256}10000$c2FsdA": "are wanted",
    "{PBKDF2_SHA256}AAAnEAAA": "salt has",
    "pbkdf2_sha256$1000$salt$": "is it cut off",
    "pbkdf2_sha256$0$salt$K4UVQ04r/kHP3DTxstcqK2OLB+ZqbF0zK4UVQ04r/kE=": "from 1 to",
    "pbkdf2_sha256$6000000$salt$K4UVQ04r/kHP3DTxstcqK2OLB+ZqbF0zK4UVQ04r/kE=": "from 1 to",
    "pbkdf2:md5:1000$salt$" + "00" * 16: "of werkzeug",
    "pbkdf2:sha256:1000$salt$" + "00" * 31: "instead of 32",
    "pbkdf2:sha256:1000$salt$0": "hexadecimal",
    "scrypt:1000:8:1$salt$" + "00" * 64: "power of two",
    "scrypt:32768:8:0$salt$" + "00" * 64: "from 1 to",
    "scrypt:1048576:8:1$salt$" + "00" * 64: "MiB of memory",
    "scrypt:65536:8:16$salt$" + "00" * 64: "costs too much",
    "$pbkdf2-sha512$i=1000000,l=1024$c2FsdA$AAAA": "costs too much",
    "$pbkdf2-md4$1000$c2FsdA$AAAA": "hash function",
    "$argon2id$v=19$m=2097152,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43: "2048 MiB of memory",
    "$argon2id$v=19$m=262144,t=100,p=1$c2FsdHNhbHQ$" + "A" * 43: "costs too much",
    "$argon2id$v=19$m=8,t=1,p=2$c2FsdHNhbHQ$" + "A" * 43: "every lane",
    "$argon2id$v=18$m=64,t=1,p=2$c2FsdHNhbHQ$" + "A" * 43: "version",
    "$argon2id$v=19$m=64,t=1,p=2,keyid=abc$c2FsdHNhbHQ$" + "A" * 43: "parameter",
    "$argon2id$v=19$m=64,m=64,t=1,p=2$c2FsdHNhbHQ$" + "A" * 43: "twice",
    "$argon2id$v=19$m=64,t=1,p=2$c2FsdA$" + "A" * 43: "salt has 4 bytes",
    "$argon2id$v=19$m=64,t=1,p=2$c2FsdHNhbHQ$" + "A" * 8: "value has 6 bytes",
    "$argon2id$v=19$m=64,t=1,p=2$c2FsdHNhbHQ$" + "A" * 5000: "value has",
    "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW": "from 4 to 15",
    "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe": "is it cut off",
    "$6$rounds=999999999$saltstring$" + "." * 86: "costs too much",
    "$6$rounds=999$saltstring$" + "." * 86: "fewer than 1000",
    "$6$saltstring$": "is it cut off",
    "$6$saltstringsaltstring$" + "." * 86: "is it cut off",
    "$1$saltstring$" + "." * 22: "at most 8",
    "$kuzzle-pbkdf2-sha512$as=hex$c2FsdA$AAAA": "way of Kuzzle",
    "ä" * 60: "characters that no hash has",
    "{" * 5000: "braces",
    '{"' * 3000: "is no JSON",
    "a" * 9000: "longer than",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_taken_over_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(UnknownHash, match=REFUSED[text]) as refusal:
        parse(text)
    assert refusal.value.__cause__ is None
    for part in text.replace("}", "$").split("$"):
        assert len(part) < 9 or part not in str(refusal.value)


KUZZLES: dict[str, Any] = KUZZLE[0]["document"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"userPassword": ""},
        {**KUZZLES, "userPassword": ""},
        {**KUZZLES, "userPassword": None},
        {**KUZZLES, "userPassword": KUZZLES["userPassword"][:-2]},
        {**KUZZLES, "userPassword": "z" * len(KUZZLES["userPassword"])},
        {**KUZZLES, "userSalt": None},
        {**KUZZLES, "userSalt": "x" * 2000},
        {**KUZZLES, "algorithm": "md5"},
        {**KUZZLES, "algorithm": "sha1WithRSA"},
        {**KUZZLES, "algorithm": None},
        {**KUZZLES, "stretching": "no"},
        {**KUZZLES, "stretching": False, "encryption": "rot13"},
        {**KUZZLES, "pepper": True},
        {**KUZZLES, "digest": "rot13"},
        {**KUZZLES, "digest": 5},
        {**KUZZLES, "digest": "base64"},
        {"secretData": {"value": "", "salt": "AAAA"}, "credentialData": {"hashIterations": 5}},
        {"secretData": "{", "credentialData": "{}"},
        {"secretData": "[]", "credentialData": "{}"},
        {"secretData": {"value": "A" * 44, "salt": "AAAA"}},
        {"secretData": {"value": "A" * 44, "salt": "AAAA"}, "credentialData": {}},
        {
            "secretData": {"value": "A" * 44, "salt": "AAAA"},
            "credentialData": {"hashIterations": True},
        },
        {
            "secretData": {"value": "A" * 44, "salt": "AAAA"},
            "credentialData": {"hashIterations": 10, "algorithm": "rot13"},
        },
        {
            "secretData": {"value": "A" * 44, "salt": "AAAA"},
            "credentialData": {"hashIterations": 10**9, "algorithm": "pbkdf2-sha256"},
        },
        {"type": "otp", "secretData": {"value": "A" * 44, "salt": "AAAA"}},
        {"passwordHash": "A" * 44},
        {"passwordHash": "A" * 44, "salt": "AAAA", "signerKey": "A" * 44},
        {"passwordHash": "", "salt": "AAAA", "signerKey": "A" * 44, "rounds": 8, "memCost": 14},
        {
            "passwordHash": "A" * 86,
            "salt": "AAAA",
            "signerKey": "A" * 86,
            "rounds": 8,
            "memCost": 20,
        },
    ],
)
def test_a_document_that_cannot_be_taken_over_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(UnknownHash) as refusal:
        parse(document)
    with pytest.raises(UnknownHash):
        parse(json.dumps(document))
    for value in document.values():
        assert not isinstance(value, str) or len(value) < 9 or value not in str(refusal.value)


def test_a_document_may_be_given_as_json() -> None:
    for vector in (*KUZZLE[:3], LIBRARIES[-8]):
        document = vector.get("document") or vector["hash"]
        assert parse(json.dumps(document)) == parse(document)


def test_keycloak_stores_pbkdf2_in_three_shapes() -> None:
    password, salt = "pässword", bytes(range(16))
    value = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 30_000, 64)
    secret = {"value": base64.b64encode(value).decode(), "salt": base64.b64encode(salt).decode()}
    how = {"hashIterations": 30_000, "algorithm": "pbkdf2-sha512", "additionalParameters": {}}
    nested = {"secretData": json.dumps(secret), "credentialData": json.dumps(how)}
    plain = {"secretData": secret, "credentialData": how}
    old = {"hashedSaltedValue": secret["value"], "salt": secret["salt"], **how}
    first, *others = [parse(document) for document in (nested, plain, old)]
    assert first.matches(password)
    assert others == [first, first]


def test_389_directory_server_stores_pbkdf2_in_one_piece() -> None:
    salt = bytes(range(64))
    value = hashlib.pbkdf2_hmac("sha256", b"secret", salt, 8192, 256)
    piece = base64.b64encode((8192).to_bytes(4, "big") + salt + value).decode()
    assert parse("{PBKDF2_SHA256}" + piece).matches("secret")
    assert not parse("{PBKDF2_SHA256}" + piece).matches("terces")


# What functions do to passwords


def test_bcrypt_looks_at_72_bytes_as_it_did_elsewhere() -> None:
    import bcrypt

    long = "0123456789" * 8
    theirs = parse(bcrypt.hashpw(long[:72].encode(), bcrypt.gensalt(4)).decode())
    assert theirs.matches(long)
    assert theirs.matches(long[:72] + "anything")
    assert not theirs.matches(long[:71])


def test_a_salt_of_bcrypt_with_idle_bits_is_read_as_the_library_wants_it() -> None:
    text = "$2a$05$CCCCCCCCCCCCCCCCCCCCC{}E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
    assert parse(text.format("/")) == parse(text.format("."))
    assert parse(text.format("/")).matches("U*U")


def test_crypt_takes_no_password_with_a_nul_and_none_of_many_bytes() -> None:
    """PWD-03: what stops there would let in whoever knows the beginning."""
    theirs = parse("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5")
    assert theirs.matches("Hello world!")
    assert not theirs.matches("Hello world!\0")
    assert theirs.digest("x" * 512)
    assert not theirs.digest("x" * 513)


@pytest.mark.parametrize(
    "id, rounds",
    [("1", None), *((id, rounds) for id in ("5", "6") for rounds in (None, 1000, 4321))],
)
@pytest.mark.parametrize("password", ["", "secret", "pässword" * 20, "x" * 512])
def test_crypt_in_c_and_in_python_make_the_same(
    id: str, rounds: int | None, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Crypt(id, rounds, "saltsalt")
    first = recipe.digest(password)
    monkeypatch.setattr(libcrypt, "_function", lambda: None)
    assert recipe.digest(password) == first
    assert len(first) == {"1": 22, "5": 43, "6": 86}[id]


@given(password=st.text(max_size=50))
@settings(deadline=None, max_examples=50)
def test_every_password_has_a_value(password: str) -> None:
    for text in (
        "{SSHA}fXdCFmLm7PVEh9muNjvZtKlvLx2ldE6pNUaode7de68VQuh9",
        "$1$eh2CuJH1$HONTShas3dEERaTLa3xFG1",
        "$5$rounds=1000$WKSjWCLdsUXd.wzE$QCA9tF4nxK.nNbD9O.oZTGV9zF.4hhuHAio/cVMXCi5",
        "$2b$04$......................yMxku2phakTL3ry2owsTvKAr3PbEghe",
    ):
        theirs = parse(text)
        digest = theirs.digest(password)
        assert Foreign(theirs.recipe, digest or b"-").matches(password) is bool(digest)


# Whatever comes

TEXTS = [parse(hash).text for hash in HASHES] + [hash for hash in HASHES if isinstance(hash, str)]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(TEXTS))
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    put = draw(
        st.one_of(st.text(max_size=12), st.sampled_from(["$", "=", "$$", ",", "0", "9" * 9]))
    )
    return text[:start] + put + text[end:]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60) | damaged(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
MEMBERS = (
    *("userPassword", "userSalt", "algorithm", "stretching", "encryption", "pepper", "digest"),
    *("secretData", "credentialData", "type", "value", "salt", "hashIterations"),
    *("additionalParameters", "hashedSaltedValue", "passwordHash", "signerKey", "saltSeparator"),
    *("rounds", "memCost"),
)
DOCUMENTS = [hash for hash in HASHES if not isinstance(hash, str)]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    document = dict(draw(st.sampled_from([{}, *DOCUMENTS])))
    document.update(draw(st.dictionaries(st.sampled_from(MEMBERS), json_values, max_size=3)))
    for member in draw(st.lists(st.sampled_from(MEMBERS), max_size=2)):
        document.pop(member, None)
    return document


def check(value: Any) -> None:
    try:
        theirs = parse(value)
    except UnknownHash:
        return
    assert theirs.value
    assert parse(theirs.text) == theirs
    assert parse_outline(theirs.outline).text == theirs.outline


@given(text=st.text(max_size=200) | damaged())
@settings(deadline=None, max_examples=1500)
def test_any_text_is_a_hash_or_refused(text: str) -> None:
    """INP: nothing else is ever raised."""
    check(text)


@given(document=documents() | st.dictionaries(st.text(max_size=8), json_values, max_size=4))
@settings(deadline=None, max_examples=800)
def test_any_document_is_a_hash_or_refused(document: dict[str, Any]) -> None:
    check(document)


@pytest.mark.parametrize("value", [None, 5, b"bytes", ["list"], object()], ids=repr)
def test_what_is_neither_text_nor_document_is_refused(value: Any) -> None:
    with pytest.raises(UnknownHash):
        parse(value)
