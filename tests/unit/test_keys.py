"""The master key is hard to get wrong, and what it seals opens in one place only."""

from __future__ import annotations

import base64
import hmac
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.keys import MasterKey, MasterKeyError, SealBroken, Sealer

KEY = bytes.fromhex("8d0a6bf2c1497e35d8a2903bfc51e764170b9e8fd3426ac5013fe9b87a6c24d0")
OTHER = bytes.fromhex("2f91c6d4e85b037aa6f01e9dc3724b58e0b6197f4da83c512e9407f6c8b15da3")

master = MasterKey(KEY)
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
    with pytest.raises(MasterKeyError, match="cannot be created"):
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
        master.pepper("local").hex()
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


@given(secret=st.binary(max_size=300), context=st.text(st.characters(codec="utf-8"), max_size=40))
def test_what_is_sealed_opens_again(secret: bytes, context: str) -> None:
    sealer = master.sealer("local")
    sealed = sealer.seal(secret, context=context)
    assert sealer.open(sealed, context=context) == secret
    assert len(sealed) == len(secret) + 29
    assert len(secret) < 4 or secret not in sealed


def test_a_secret_is_never_sealed_alike_twice() -> None:
    sealer = master.sealer("local")
    assert len({sealer.seal(b"secret", context="t|c|1") for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "sealer, context",
    [
        (master.sealer("local"), "tokens|secret|bob"),
        (master.sealer("local"), ""),
        (master.sealer("oauth"), "tokens|secret|ann"),
        (MasterKey(OTHER).sealer("local"), "tokens|secret|ann"),
    ],
    ids=["another row", "no row", "another plugin", "another master key"],
)
def test_a_sealed_secret_opens_nowhere_else(sealer: Sealer, context: str) -> None:
    sealed = master.sealer("local").seal(b"secret", context="tokens|secret|ann")
    with pytest.raises(SealBroken) as refusal:
        sealer.open(sealed, context=context)
    assert "secret|" not in str(refusal.value)


def test_the_owner_is_sealed_in_beside_the_key() -> None:
    sealed = Sealer("local", {1: KEY}).seal(b"secret", context="c")
    assert Sealer("local", {1: KEY}).open(sealed, context="c") == b"secret"
    with pytest.raises(SealBroken):
        Sealer("oauth", {1: KEY}).open(sealed, context="c")


@given(position=st.integers(0, 34), flip=st.integers(1, 255))
def test_a_changed_byte_breaks_the_seal(position: int, flip: int) -> None:
    sealer = master.sealer("local")
    sealed = bytearray(sealer.seal(b"secret", context="c"))
    sealed[position] ^= flip
    with pytest.raises(SealBroken):
        sealer.open(bytes(sealed), context="c")


@given(length=st.integers(0, 34))
def test_a_cut_seal_is_broken(length: int) -> None:
    sealer = master.sealer("local")
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(b"secret", context="c")[:length], context="c")


def test_a_repr_shows_no_key() -> None:
    assert repr(master) == "<MasterKey>"
    assert repr(master.sealer("local")) == "<Sealer of local>"


def test_the_setup_secret_can_be_typed() -> None:
    secret = master.setup_secret()
    assert len(secret) * 5 >= 128
    assert secret.isalnum()
    assert secret == secret.lower()
