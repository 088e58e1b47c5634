"""The master key is hard to get wrong, and what it seals opens in one place only."""

from __future__ import annotations

import base64
import copy
import hmac
import os
import pickle
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table

from ostiary.keys import GRACE, MasterKey, MasterKeyError
from ostiary.sealing import Sealer
from ostiary.seals import SealBroken
from ostiary.storage.sealed import Sealed

KEY = bytes.fromhex("8d0a6bf2c1497e35d8a2903bfc51e764170b9e8fd3426ac5013fe9b87a6c24d0")
OTHER = bytes.fromhex("2f91c6d4e85b037aa6f01e9dc3724b58e0b6197f4da83c512e9407f6c8b15da3")

master = MasterKey(KEY)

tables = MetaData()
tokens = Table(
    "tokens",
    tables,
    Column("owner", String, primary_key=True),
    Column("secret", Sealed),
    Column("other", Sealed),
    Column("bare", LargeBinary),
)
codes = Table(
    "codes",
    tables,
    Column("owner", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("secret", Sealed),
)
SECRET = tokens.c.secret
keys = st.binary(min_size=16, max_size=16).filter(lambda half: len(set(half)) == 16)


def load(
    *,
    environment: str | None = None,
    command: str | None = None,
    file: Path | None = None,
    create: bool = False,
) -> MasterKey:
    return MasterKey.load(environment=environment, command=command, file=file, create=create)


def key_file(folder: Path, content: str, mode: int = 0o600) -> Path:
    file = folder / "master.key"
    file.write_text(content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper(),
        base64.urlsafe_b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode().rstrip("="),
        f"  {KEY.hex()}\n",
    ],
)
def test_hex_and_base64url_spell_the_same_key(text: str) -> None:
    assert load(environment=text).check_value() == master.check_value()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "changeme",
        KEY.hex()[:-2],
        KEY.hex() + "00",
        KEY.hex()[:-1] + "g",
        base64.urlsafe_b64encode(KEY[:31]).decode(),
        base64.urlsafe_b64encode(KEY + b"x").decode(),
        base64.b64encode(bytes([0xFB, 0xEF]) * 16).decode(),
    ],
)
def test_a_key_that_is_not_32_bytes_is_refused(text: str) -> None:
    with pytest.raises(MasterKeyError, match=r"OSTIARY_MASTER_KEY: .*32 bytes"):
        load(environment=text)


@pytest.mark.parametrize(
    "key",
    [
        bytes(32),
        b"\xff" * 32,
        bytes(range(32)),
        bytes(range(255, 223, -1)),
        bytes.fromhex("0123456789abcdef") * 4,
        b"correct horse battery staple 123",
    ],
)
def test_a_key_that_can_be_guessed_is_refused(key: bytes) -> None:
    with pytest.raises(MasterKeyError, match="guessed"):
        load(environment=key.hex())


def test_no_refusal_repeats_what_was_given() -> None:
    for text in (KEY.hex()[:-2], "hunter2" * 9):
        with pytest.raises(MasterKeyError) as refusal:
            load(environment=text)
        assert text not in str(refusal.value)
        assert refusal.value.__cause__ is None


def test_nothing_configured_is_refused_with_what_to_configure() -> None:
    with pytest.raises(MasterKeyError, match="OSTIARY_MASTER_KEY or security"):
        load()


def test_the_environment_comes_before_the_command_and_that_before_the_file(tmp_path: Path) -> None:
    command = f"echo {OTHER.hex()}"
    file = tmp_path / "master.key"
    first = load(environment=KEY.hex(), command=command, file=file, create=True)
    second = load(command=command, file=file, create=True)
    assert first.check_value() == master.check_value()
    assert second.check_value() == MasterKey(OTHER).check_value()
    assert not file.exists()


def test_a_command_is_run_without_a_shell(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with pytest.raises(MasterKeyError, match="wanted 32 bytes"):
        load(command=f"echo {KEY.hex()} > {shlex.quote(str(trace))}")
    assert not trace.exists()


@pytest.mark.parametrize(
    "command, reason",
    [
        ("false", "exited with 1"),
        ("/nowhere/at-all s3cret", "cannot be run"),
        ("echo 's3cret", "cannot be run"),
        ("", "cannot be run"),
    ],
)
def test_a_failing_command_is_told_without_its_words(command: str, reason: str) -> None:
    with pytest.raises(MasterKeyError, match=reason) as refusal:
        load(command=command)
    assert "s3cret" not in str(refusal.value)


def test_a_new_file_is_private_and_holds_the_key_that_is_used(tmp_path: Path) -> None:
    file = tmp_path / "data" / "master.key"
    before = os.umask(0)
    try:
        made = load(file=file, create=True)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert load(file=file).check_value() == made.check_value()
    assert [entry.name for entry in file.parent.iterdir()] == ["master.key"]


def test_a_file_that_exists_is_never_replaced(tmp_path: Path) -> None:
    file = key_file(tmp_path, KEY.hex())
    assert load(file=file, create=True).check_value() == master.check_value()
    assert file.read_text() == KEY.hex()


def test_every_installation_gets_another_key(tmp_path: Path) -> None:
    made = {load(file=tmp_path / name, create=True).check_value() for name in "abc"}
    assert len(made) == 3


def test_without_leave_to_create_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyError, match="No such file"):
        load(file=tmp_path / "master.key")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MasterKeyError, match="cannot be written"):
        load(file=tmp_path / "file" / "master.key", create=True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(MasterKeyError, match="chmod 600"):
        load(file=key_file(tmp_path, KEY.hex(), mode))


def test_a_file_with_anything_but_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyError, match=r"master\.key: wanted 32 bytes"):
        load(file=key_file(tmp_path, "\x00" * 4096))


def test_processes_that_start_at_once_end_with_the_same_key(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ostiary.keys import MasterKey\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "key = MasterKey.load(\n"
        "    environment=None, command=None, file=Path(sys.argv[1]), create=True\n"
        ")\n"
        "print(key.check_value())\n"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for start in starts:
        assert start.stdout is not None
        assert start.stdout.readline() == "ready\n"
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("go\n")
        start.stdin.flush()
    seen = {start.communicate()[0] for start in starts}
    assert seen == {load(file=file).check_value() + "\n"}


def test_no_purpose_gives_the_key_of_another() -> None:
    derived = [
        master.derive("pg-role/ostiary_core"),
        master.derive("pg-role/ostiary_local"),
        master.pepper("core"),
        master.pepper("local"),
        master.derive("plugin/local/aead"),
        bytes.fromhex(master.check_value()),
        master.setup_secret().encode(),
    ]
    assert len(set(derived)) == len(derived)


def test_keys_are_derived_as_rfc_5869_says() -> None:
    extracted = hmac.digest(bytes(32), KEY, "sha256")
    expanded = hmac.digest(extracted, b"ostiary/v1/purpose\x01", "sha256")
    assert master.derive("purpose") == expanded
    assert master.derive("purpose", 20) == expanded[:20]


def test_derived_keys_never_change() -> None:
    """Another value would make every hash and every sealed secret worthless."""
    assert master.check_value() == "bae9bb43e3078f00ca12fed21869f022"
    assert (
        master.pepper("local").of(1).hex()
        == "db3887b600614f134f0e8a92aea730a9a6d8f244221cf5a9256c7c9002b34f33"
    )
    assert master.derive("pg-role/ostiary_core", 8).hex() == "a4ddcebef6f001cc"
    assert master.setup_secret() == "5lyfr5ki7u7vxdvfz47g75243u62jq4w"


@given(left=keys, right=keys)
def test_another_master_key_derives_other_keys(left: bytes, right: bytes) -> None:
    one, two = MasterKey(left + OTHER[:16]), MasterKey(right + OTHER[:16])
    assert (one.check_value() == two.check_value()) == (left == right)


@pytest.mark.parametrize("owner", ["", "Local", "a/b", "a|b", "local\n", "1a"])
def test_only_names_of_plugins_own_keys(owner: str) -> None:
    with pytest.raises(ValueError, match="cannot own keys"):
        master.sealer(owner)
    with pytest.raises(ValueError, match="cannot own keys"):
        master.pepper(owner)


@given(secret=st.binary(max_size=300), row=st.text(st.characters(codec="utf-8"), max_size=40))
def test_what_is_sealed_opens_again(secret: bytes, row: str) -> None:
    sealer = master.sealer("local")
    sealed = sealer.seal(secret, column=SECRET, row=row)
    assert sealer.open(sealed, column=SECRET, row=row) == secret
    assert len(sealed) == len(secret) + 29
    assert len(secret) < 4 or secret not in sealed


def test_a_secret_is_never_sealed_alike_twice() -> None:
    sealer = master.sealer("local")
    assert len({sealer.seal(b"secret", column=SECRET, row=1) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "sealer, column, row",
    [
        (master.sealer("local"), SECRET, "bob"),
        (master.sealer("local"), SECRET, ""),
        (master.sealer("local"), SECRET, ("ann",)),
        (master.sealer("local"), tokens.c.other, "ann"),
        (master.sealer("local"), codes.c.secret, "ann"),
        (master.sealer("oauth"), SECRET, "ann"),
        (MasterKey(OTHER).sealer("local"), SECRET, "ann"),
    ],
    ids=["row", "no row", "rows", "column", "table", "plugin", "master key"],
)
def test_a_sealed_secret_opens_in_its_own_place_only(
    sealer: Sealer, column: Column[bytes], row: str
) -> None:
    """ISO-12"""
    sealed = master.sealer("local").seal(b"secret", column=SECRET, row="ann")
    assert master.sealer("local").open(sealed, column=SECRET, row="ann") == b"secret"
    with pytest.raises(SealBroken) as refusal:
        sealer.open(sealed, column=column, row=row)
    assert "secret|" not in str(refusal.value)


@pytest.mark.parametrize("row", [("ann", 12), ("an", 112), ('ann", "1', 2)])
def test_no_two_rows_with_a_key_of_several_columns_are_one_place(row: tuple[str, int]) -> None:
    sealer = master.sealer("local")
    sealed = sealer.seal(b"secret", column=codes.c.secret, row=("ann", 112))
    with pytest.raises(SealBroken):
        sealer.open(sealed, column=codes.c.secret, row=row)
    assert sealer.open(sealed, column=codes.c.secret, row=("ann", 112)) == b"secret"


def test_only_a_column_that_says_so_holds_sealed_secrets() -> None:
    """Else the core would not find it when the master key is rotated."""
    sealer = master.sealer("local")
    for use in (sealer.seal, sealer.open):
        with pytest.raises(TypeError, match="declare it with the type Sealed"):
            use(b"secret", column=tokens.c.bare, row="ann")


@given(position=st.integers(0, 34), flip=st.integers(1, 255))
def test_a_changed_byte_breaks_the_seal(position: int, flip: int) -> None:
    sealer = master.sealer("local")
    sealed = bytearray(sealer.seal(b"secret", column=SECRET, row="c"))
    sealed[position] ^= flip
    with pytest.raises(SealBroken):
        sealer.open(bytes(sealed), column=SECRET, row="c")


@given(length=st.integers(0, 34))
def test_a_cut_seal_is_broken(length: int) -> None:
    sealer = master.sealer("local")
    sealed = sealer.seal(b"secret", column=SECRET, row="c")
    with pytest.raises(SealBroken):
        sealer.open(sealed[:length], column=SECRET, row="c")


def test_what_holds_keys_shows_none_and_is_not_copied() -> None:
    """ISO-15"""
    held = {
        "<MasterKey>": master,
        "<Sealer of local>": master.sealer("local"),
        "<Pepper>": master.pepper("local"),
    }
    for shown, thing in held.items():
        assert repr(thing) == shown
        for copying in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="neither copied nor pickled"):
                copying(thing)


def rotated(*given: MasterKey) -> MasterKey:
    """Return what somebody knows who gives the last key, after each replaced the one before."""
    older: dict[int, bytes] = {}
    known = given[0]
    for new in given[1:]:
        number, sealed = known.sealed_by(new)
        older[number] = sealed
        known = MasterKey(bytes.fromhex(KEYS[new.check_value()]))
        known.settle(new.check_value(), older, 0)
    return known


KEYS = {MasterKey(key).check_value(): key.hex() for key in (KEY, OTHER)}


def test_the_newest_key_opens_what_the_older_have_sealed_and_not_the_other_way_round() -> None:
    old = MasterKey(KEY)
    new = rotated(old, MasterKey(OTHER))
    assert (old.current, new.current) == (1, 2)
    sealed = old.sealer("local").seal(b"secret", column=SECRET, row="ann")
    assert new.sealer("local").open(sealed, column=SECRET, row="ann") == b"secret"
    assert new.sealer("local").outdated(sealed)
    again = new.sealer("local").seal(b"secret", column=SECRET, row="ann")
    assert not new.sealer("local").outdated(again)
    with pytest.raises(SealBroken, match="unknown key"):
        old.sealer("local").open(again, column=SECRET, row="ann")


def test_a_new_key_is_used_when_everybody_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    known = MasterKey(OTHER)
    number, sealed = MasterKey(KEY).sealed_by(known)
    known.settle(known.check_value(), {number: sealed}, int(now * 1000))
    assert known.current == 1
    now += GRACE / 1000
    assert known.current == 2


def test_a_key_that_is_not_in_force_is_refused_and_changes_nothing() -> None:
    old, new = MasterKey(KEY), MasterKey(OTHER)
    _, sealed = old.sealed_by(new)
    for check, older in ((new.check_value(), {1: sealed}), (old.check_value(), {1: sealed})):
        with pytest.raises(MasterKeyError):
            old.settle(check, older, 0)
    assert old.check_value() == master.check_value()
    assert old.current == 1


def test_two_keys_are_given_while_one_replaces_the_other() -> None:
    both = load(environment=f"{OTHER.hex()}, {KEY.hex()}")
    both.settle(master.check_value(), {}, 0)
    successor = both.successor()
    assert successor is not None
    assert successor.check_value() == MasterKey(OTHER).check_value()
    number, sealed = both.sealed_by(successor)
    both.settle(successor.check_value(), {number: sealed}, 0)
    assert both.successor() is None
    assert both.check_value() == successor.check_value()
    with pytest.raises(MasterKeyError, match="not 3"):
        load(environment=",".join([OTHER.hex()] * 3))


def test_the_setup_secret_can_be_typed() -> None:
    secret = master.setup_secret()
    assert len(secret) * 5 >= 128
    assert secret.isalnum()
    assert secret == secret.lower()


def test_a_mark_tells_equal_texts_of_one_owner_under_one_key() -> None:
    """LEAK-05: nothing else can be told by it, not even by trying texts."""
    one, other = MasterKey(secrets.token_bytes(32)), MasterKey(secrets.token_bytes(32))
    mark = one.sealer("local").mark("ann@example.org")
    assert mark == one.sealer("local").mark("ann@example.org")
    others = [
        one.sealer("local").mark("ann@example.net"),
        one.sealer("otp").mark("ann@example.org"),
    ]
    others.append(other.sealer("local").mark("ann@example.org"))
    assert len({mark, *others}) == 4
    assert one.sealer("local").mark("\ud800") != mark
