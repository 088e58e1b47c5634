"""Exports of the Kuzzle CLI: read as they are written, and refused by file and place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ostiary.exports import ExportError, read_exports

ROLES = {"type": "roles", "content": {"clerk": {"controllers": {"*": {"actions": {"*": True}}}}}}
PROFILES = {"type": "profiles", "content": {"clerk": {"policies": [{"roleId": "clerk"}]}}}
OLD_USERS = {"type": "users", "content": {"ann": {"profileIds": ["clerk"], "content": {"a": 1}}}}
LOCAL = {"local": {"username": "bob", "password": "0123456789abcdef"}}
USERS = {
    "type": "users",
    "content": {"bob": {"content": {"profileIds": ["clerk"], "name": "Bob"}, "credentials": LOCAL}},
}


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_each_kind_is_read_whatever_the_order_of_files(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{at}.json", one) for at, one in enumerate((USERS, PROFILES, ROLES))]
    items = read_exports(files).items
    assert items["roles"]["clerk"].body == ROLES["content"]["clerk"]  # type: ignore[index]
    assert items["profiles"]["clerk"].body == {"policies": [{"roleId": "clerk"}]}
    assert items["users"]["bob"].body == USERS["content"]["bob"]  # type: ignore[index]
    assert items["users"]["bob"].place == f"{files[0]}: content.bob"


def test_exports_of_old_clis_have_no_credentials(tmp_path: Path) -> None:
    """A user who has a property ``content`` is not taken for one of the new form."""
    items = read_exports([write(tmp_path, "users.json", OLD_USERS)]).items
    body = items["users"]["ann"].body
    assert body == {"content": {"profileIds": ["clerk"], "content": {"a": 1}}}


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    write(tmp_path, "roles/roles.json", ROLES)
    write(tmp_path, "users/users.json", USERS)
    mapping = {"type": "usersMappings", "content": {"mapping": {}}}
    left = write(tmp_path, "users/users-collection-mappings.json", mapping)
    write(tmp_path, "users/notes.txt", "not for us")
    exports = read_exports([tmp_path])
    assert {kind: len(found) for kind, found in exports.items.items()} == {
        "roles": 1,
        "profiles": 0,
        "users": 1,
    }
    assert exports.left_out == [left]


@pytest.mark.parametrize(
    "content, words",
    [
        ('{"type": "roles",\n "content": {"a": }}', ["line 2 column"]),
        ("", ["line 1 column 1"]),
        ("[]", ["type"]),
        ({"content": {}}, ["type", "'roles'"]),
        ({"type": "role", "content": {}}, ["type"]),
        ({"type": "users"}, ["content"]),
        ({"type": "users", "content": []}, ["content"]),
        ({"type": "users", "content": {"ann": []}}, ["content.ann", "object"]),
        ('{"type": "users", "content": {"ann": {}, "ann": {}}}', ['"ann"', "twice"]),
        ('{"type": "users", "content": {"ann": {"age": NaN}}}', ["NaN"]),
        ({"type": "users", "content": {"ann": {"name": "a\0b"}}}, ["content.ann", "NUL"]),
        ({"type": "users", "content": {"ann": {"name": "\ud800"}}}, ["content.ann"]),
        ("[" * 100_000, ["nested"]),
        ('{"type": "users", "content": {"ann": ' + '{"a":' * 80 + "1" + "}" * 82, ["content.ann"]),
    ],
)
def test_what_is_broken_is_refused_with_its_file_and_place(
    tmp_path: Path, content: Any, words: list[str]
) -> None:
    path = write(tmp_path, "broken.json", content)
    with pytest.raises(ExportError) as refusal:
        read_exports([path])
    for word in (str(path), *words):
        assert word in str(refusal.value)


def test_what_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_bytes(b'{"type": "users", "content": {"\xff": {}}}')
    with pytest.raises(ExportError, match=r"users\.json"):
        read_exports([path])
    with pytest.raises(ExportError, match=r"missing\.json"):
        read_exports([tmp_path / "missing.json"])


def test_an_id_that_stands_in_two_files_is_refused(tmp_path: Path) -> None:
    one, other = write(tmp_path, "a.json", USERS), write(tmp_path, "b.json", USERS)
    with pytest.raises(ExportError, match=r"content\.bob: stands in .*a\.json: content\.bob too"):
        read_exports([one, other])
