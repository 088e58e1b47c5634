"""Reading files of accounts: what a line is, and why it is none; nothing quotes what it holds."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest

from ostiary import CommandError
from ostiary_local.strategy import LocalStrategy
from ostiary_local.transfer.entries import Entry, Reader
from ostiary_local.transfer.files import LONGEST, format_of, lines
from ostiary_local.transfer.values import Refused

NOW = 1_750_000_000_000
PASSWORD = "a word that nobody may see"
DJANGO = "pbkdf2_sha256$1000$c2FsdHNhbHQ$" + "Wm9vWm9vWm9vWm9vWm9vWm9vWm9vWm9vWm9vWm9vWm8="

SALT, VALUE = "c2FsdHNhbHRzYWx0c2FsdA", "aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
OWN = f"$argon2id$v=19$m=8,t=1,p=1${SALT}${VALUE}"


def read(line: Mapping[str, Any], **parameters: Any) -> Entry:
    return Reader(LocalStrategy(), parameters, NOW).read(line)


def fault(line: Mapping[str, Any], **parameters: Any) -> str:
    with pytest.raises(Refused) as refused:
        read(line, **parameters)
    return str(refused.value)


def csv(text: str | bytes) -> list[tuple[int, Any]]:
    data = text.encode() if isinstance(text, str) else text
    return [(one.number, _told(one.fields)) for one in lines(io.BytesIO(data), "csv")]


def json_lines(text: str | bytes) -> list[tuple[int, Any]]:
    data = text.encode() if isinstance(text, str) else text
    return [(one.number, _told(one.fields)) for one in lines(io.BytesIO(data), "jsonl")]


def _told(fields: Any) -> Any:
    return str(fields) if isinstance(fields, Refused) else fields


def test_csv_has_a_header_and_lines_are_numbered_as_editors_do() -> None:
    text = '\ufeffusername,content\r\nann,"{\n}"\r\n\r\nbob,\r\n'
    assert csv(text) == [
        (2, {"username": "ann", "content": "{\n}"}),
        (5, {"username": "bob", "content": ""}),
    ]


@pytest.mark.parametrize(
    "header, why",
    [
        ("", "a header is wanted"),
        ("username,username\n", "'username' stands twice"),
        (f"ann,{PASSWORD}\n", "names no field in column 1"),
        ('username,"\n', "is no CSV"),
        ("username;email;password\n", "3 names in it: a comma"),
        ("username\temail\n", "2 names in it: a comma"),
        ("username,mail\n", r"column 2 \('mail'\); known"),
    ],
)
def test_a_header_that_is_none_is_refused_and_not_quoted(header: str, why: str) -> None:
    with pytest.raises(CommandError, match=why) as refused:
        csv(header)
    assert PASSWORD not in str(refused.value)


def test_a_broken_line_of_csv_does_not_stop_the_others() -> None:
    text = b'username,password\nann,a,b\nbob,\xff\n"cy"x,secret\ndora,good\n'
    assert csv(text) == [
        (2, "it has 3 cells, and the header 2"),
        (3, "it is no UTF-8"),
        (4, "it is no CSV: ',' expected after '\"'"),
        (5, {"username": "dora", "password": "good"}),
    ]


def test_a_broken_line_of_json_does_not_stop_the_others() -> None:
    deep = "[" * 100_000
    broken = ['{"a": 1', "[1]", '{"a": 1, "a": 2}', '{"a": NaN}', deep, '{"a": 1}']
    found = json_lines("\n\n".join(broken))
    assert [number for number, _ in found] == [1, 3, 5, 7, 9, 11]
    assert [told for _, told in found] == [
        "it is no JSON, at character 9",
        "wanted: an object",
        "an object has the same name twice",
        "NaN is no JSON",
        "it is nested too deep",
        {"a": 1},
    ]
    assert json_lines(b'\xef\xbb\xbf{"a": 1}\n{"a": "\xff"}') == [
        (1, {"a": 1}),
        (2, "it is no UTF-8"),
    ]


def test_a_line_that_would_fill_the_memory_is_passed_over() -> None:
    huge = b'{"a": "' + b"x" * (3 * LONGEST) + b'"}\n{"b": 1}\n'
    (_, why), rest = json_lines(huge)
    assert "longer than" in why
    assert rest == (2, {"b": 1})


def test_the_format_is_told_by_the_name_or_by_the_operator() -> None:
    assert [format_of(name, None) for name in ("a.CSV", "a.jsonl", "a.ndjson")] == [
        "csv", "jsonl", "jsonl",
    ]  # fmt: skip
    assert format_of("-", "csv") == "csv"
    with pytest.raises(CommandError, match="--format"):
        format_of("accounts.txt", None)


def test_texts_of_csv_are_what_json_says_with_types() -> None:
    texts = {
        "username": "ann",
        "kuid": "",
        "email": "ann@example.org",
        "emailVerified": "true",
        "phones": "+33123456789; +33123456780",
        "password": PASSWORD,
        "profileIds": "default;clerk",
        "content": '{"age": 7}',
        "passwordSetAt": "2020-01-01T00:00:00Z",
    }
    typed = {
        "username": "ann",
        "emails": [{"value": "ann@example.org", "verified": True}],
        "phones": ["+33123456789", {"value": "+33123456780"}],
        "password": PASSWORD,
        "profileIds": ["default", "clerk"],
        "content": {"age": 7},
        "passwordSetAt": 1577836800000,
    }
    entry = read(texts)
    assert entry == read(typed)
    assert [(name.kind, at) for name, at in entry.names] == [
        ("username", None),
        ("email", NOW),
        ("phone", None),
        ("phone", None),
    ]
    assert (entry.kuid, entry.set_at, entry.content) == (None, 1577836800000, {"age": 7})


def test_an_address_that_is_the_user_name_too_stands_once() -> None:
    entry = read({"username": "ann@example.org", "email": "ann@example.org", "password": PASSWORD})
    assert [name.kind for name, _ in entry.names] == ["email"]


@pytest.mark.parametrize(
    "changed, why",
    [
        ({"username": None}, "there is no username, email or phone"),
        ({"username": " ann"}, "The user name "),
        ({"username": "a\u202enn"}, "The user name "),
        ({"username": 7}, "username: wanted: a text"),
        ({"usrname": "ann"}, "unknown field 'usrname'"),
        ({"kuid": 7}, "kuid: wanted: a text"),
        ({"password": None}, "wanted: either a password or a hash"),
        ({"hash": DJANGO}, "wanted: either a password or a hash"),
        ({"password": 12345678}, "The password must be a text."),
        ({"password": " "}, "The password must not be blank."),
        ({"password": "x" * 5000}, "The password must not have more than 4096 bytes."),
        ({"password": None, "hash": PASSWORD}, "hash: it is in no shape that is known"),
        ({"password": None, "hash": 7}, "hash: wanted: a text or an object"),
        ({"password": None, "hash": {"a": PASSWORD}}, "hash: a document is known by"),
        ({"emails": 7}, "emails: wanted: a list"),
        ({"emails": [7]}, "emails: wanted: texts, or objects with a value"),
        ({"email": "a@b.org", "emailVerified": "perhaps"}, "emailVerified: wanted: true or false"),
        ({"profileIds": [7]}, "profileIds: wanted: a list of texts"),
        ({"content": "[1]"}, "content: wanted: an object"),
        ({"content": "{"}, "content: is no JSON"),
        ({"passwordSetAt": "yesterday"}, "passwordSetAt: wanted: an instant"),
        ({"passwordSetAt": -1}, "passwordSetAt: wanted: an instant between 1970 and 9999"),
        ({"passwordSetAt": True}, "passwordSetAt: wanted: an instant"),
        ({"formerPasswords": [{"setAt": 1}]}, "formerPasswords: hash: wanted"),
        ({"formerPasswords": [DJANGO]}, "formerPasswords: wanted: a list of objects"),
        ({"formerPasswords": [{"hash": DJANGO}] * 101}, "formerPasswords: there are more than 100"),
    ],
)
def test_a_line_that_describes_no_account_says_why(changed: dict[str, Any], why: str) -> None:
    told = fault({"username": "ann", "password": PASSWORD, **changed})
    assert told.startswith(why)
    assert PASSWORD not in told


def test_a_hash_of_this_server_is_good_only_behind_its_proof() -> None:
    line = {"username": "ann", "hash": OWN, "peppered": True}
    assert "needs the master key" in fault(line)
    reader = Reader(LocalStrategy(), {}, NOW)
    reader.trusted = True
    assert reader.read(line).proof.own == line["hash"]
    assert reader.read({**line, "hash": f"2{OWN}"}).proof.own == f"2{OWN}"
    for hash in (DJANGO, f"x{OWN}", OWN.replace("argon2id", "argon2i"), OWN.replace("m=8", "m=08")):
        with pytest.raises(Refused, match="is none that a server like this one makes"):
            reader.read({**line, "hash": hash})
    with pytest.raises(Refused, match="wrapped: "):
        reader.read({**line, "wrapped": "something"})


@pytest.mark.parametrize(
    "part, other, why",
    [
        (SALT, "c2FsdA", "salt"),
        (SALT, "!" * 22, "salt"),
        (VALUE, "aGFzaA", "its value has 4 bytes; from 16"),
        (VALUE, "aGFzaA$" + VALUE, "hash: "),
        ("m=8,t=1,p=1", "m=4194304,t=1,p=1", "it fills 4096 MiB of memory"),
        ("m=8,t=1,p=1", "m=65536,t=4000000000,p=1", "it costs too much"),
        ("m=8,t=1,p=1", "m=65536,t=1,p=1000", "lanes"),
        ("m=8,t=1,p=1", "m=8,t=1", "lanes"),
        ("m=8,t=1,p=1", "m=8,t=-1,p=1", "passes"),
    ],
)
def test_a_hash_of_this_server_is_one_that_argon2_reads_and_can_bear(
    part: str, other: str, why: str
) -> None:
    """Else a file could make every login to an account fail, or as dear as it likes."""
    reader = Reader(LocalStrategy(), {}, NOW)
    reader.trusted = True
    line = {"username": "ann", "hash": OWN.replace(part, other), "peppered": True}
    with pytest.raises(Refused, match=why):
        reader.read(line)


KUZZLE = {
    "kuid": "kuid-of-ann",
    "userPassword": "ab" * 512,
    "userSalt": "cd" * 128,
    "algorithm": "sha512",
    "stretching": True,
    "encryption": "hmac",
    "pepper": False,
    "updater": "kuid-of-root",
    "passwordHistory": [
        {
            "userPassword": "ef" * 512,
            "userSalt": "01" * 128,
            "algorithm": "sha512",
            "stretching": True,
            "encryption": "hmac",
            "pepper": False,
            "archivedAt": 1_600_000_000_000,
            "updatedAt": 1_500_000_000_000,
        }
    ],
    "_kuzzle_info": {"author": None, "createdAt": 1, "updatedAt": 1_600_000_000_000},
}


@pytest.mark.parametrize(
    "document",
    [{"_id": "ann", **KUZZLE}, {"_id": "ann", "_source": KUZZLE}, {"_id": "ann", "body": KUZZLE}],
)
def test_a_document_of_kuzzles_is_an_account_with_its_history(document: dict[str, Any]) -> None:
    entry = read(json.loads(json.dumps(document)))
    assert [(name.value, name.kind) for name, _ in entry.names] == [("ann", "username")]
    assert (entry.kuid, entry.updater, entry.set_at) == (
        "kuid-of-ann", "kuid-of-root", 1_600_000_000_000,
    )  # fmt: skip
    assert entry.proof.foreign is not None
    (former,) = entry.former
    assert (former.set_at, former.archived_at) == (1_500_000_000_000, 1_600_000_000_000)
    assert former.proof.foreign is not None
    assert former.proof.foreign.value != entry.proof.foreign.value


def test_what_all_hashes_of_a_file_share_is_told_once() -> None:
    user = {"passwordHash": "A" * 86 + "==", "salt": "c2FsdA=="}
    shared = {
        "base64_signer_key": "B" * 86 + "==",
        "base64_salt_separator": "Bw==",
        "rounds": 8,
        "mem_cost": 14,
    }
    line = {"email": "ann@example.org", "hash": user}
    assert "signerkey is missing" in fault(line)
    whole = read({**line, "hash": {**user, **shared}}).proof
    assert read(line, **shared).proof == whole
    assert read({**line, "hash": json.dumps(user)}, **shared).proof == whole


def test_who_has_a_verified_address_and_no_password_gets_one_that_nobody_knows() -> None:
    line = {"username": "ann", "email": "ann@example.org", "emailVerified": True}
    one, other = (read(line).proof.password for _ in range(2))
    assert one is not None
    assert other is not None
    assert one != other
    assert len(one) >= 43
    for nobody in (
        {"username": "ann"},
        {"username": "ann", "email": "ann@example.org"},
        {"username": "ann", "phone": "+33612345678", "phoneVerified": True},
    ):
        assert fault(nobody).startswith("wanted: either a password or a hash")
