"""Lists are built from what operators have, and asked, on the command line."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import sys
from pathlib import Path
from typing import cast

import pytest

import ostiary_local
from ostiary import CommandError, Workplace
from ostiary_local import list_reading
from ostiary_local.blocklists import Blocklist
from ostiary_local.list_reading import Tally

pytestmark = pytest.mark.anyio


async def run(name: str, *arguments: str) -> None:
    (command,) = [one for one in ostiary_local.ostiary_commands() if one.name == name]
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.arguments(parser)
    await command.run(parser.parse_args(arguments), cast("Workplace", None))


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode()).hexdigest().upper()


async def test_a_list_of_passwords_becomes_a_blocklist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "words.txt", tmp_path / "words.blocklist"
    source.write_bytes("hunter2 hunter2\r\ncafe\u0301 au lait\n\n with spaces \nlast".encode())
    await run("build-blocklist", str(source), "--output", str(output))
    list_ = Blocklist(output)
    for password in ("hunter2 hunter2", "caf\u00e9 au lait", " with spaces ", "last"):
        assert list_.holds(password)
    assert not list_.holds("with spaces")
    said = capsys.readouterr().out
    assert "5 lines: 0 too rare, 0 broken" in said
    assert "4 passwords" in said


async def test_a_list_of_have_i_been_pwned_becomes_a_blocklist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "pwned.txt.gz", tmp_path / "pwned.blocklist"
    lines = f"{sha1('often')}:12\r\n{sha1('rare')}:2\r\n{sha1('uncounted')}\r\n"
    source.write_bytes(gzip.compress(lines.encode()))
    await run("build-blocklist", str(source), "--output", str(output), "--min-count", "3")
    list_ = Blocklist(output)
    assert list_.holds("often")
    assert list_.holds("uncounted")
    assert not list_.holds("rare")
    assert "3 lines: 1 too rare, 0 broken" in capsys.readouterr().out


async def test_several_files_make_one_list(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one\n")
    (tmp_path / "two").write_text(f"{sha1('two')}:1\n")
    output = tmp_path / "both"
    sources = [str(tmp_path / "one"), str(tmp_path / "two")]
    await run("build-blocklist", *sources, "--output", str(output), "--false-positives", "1000")
    assert Blocklist(output).holds("one")
    assert Blocklist(output).holds("two")
    assert Blocklist(output).header().width == 2


def test_broken_lines_are_counted_and_the_others_read(tmp_path: Path) -> None:
    """Not UTF-8, too long for any password, endless, and NTLM hashes, which nothing can match."""
    file = tmp_path / "words"
    endless = b"y" * 100_000
    ntlm = b"8846F7EAEE8FB117AD06BDD830B7586C:3"
    file.write_bytes(b"good\n\xff\xfe\n" + b"x" * 4097 + b"\n" + endless + b"\n" + ntlm + b"\nlast")
    tally = Tally()
    assert len(list(list_reading.digests(file, tally))) == 2
    assert (tally.lines, tally.broken) == (6, 4)
    assert tally.first_broken == [
        f"{file}: line 2: no UTF-8",
        f"{file}: line 3: longer than 4096 bytes",
        f"{file}: line 4: longer than 4096 bytes",
        f"{file}: line 5: an NTLM hash, of which no use can be made",
    ]


def test_the_longest_password_is_no_broken_line(tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.write_bytes(b"x" * 4096 + b"\n" + b"z" * 8191 + b"\n" + b"end\n")
    tally = Tally()
    assert len(list(list_reading.digests(file, tally))) == 2
    assert (tally.lines, tally.broken) == (3, 1)


@pytest.mark.parametrize("what", ["missing", "truncated", "no folder"])
async def test_a_file_that_cannot_be_read_or_written_is_told(tmp_path: Path, what: str) -> None:
    source, output = tmp_path / "words", tmp_path / "list"
    if what != "missing":
        source.write_bytes(gzip.compress(b"word\n" * 1000)[: 20 if what == "truncated" else None])
    if what == "no folder":
        output = tmp_path / "none" / "list"
    with pytest.raises(CommandError, match="not built") as refused:
        await run("build-blocklist", str(source), "--output", str(output))
    assert not output.exists()
    assert "Errno" not in str(refused.value)


async def test_only_the_first_broken_lines_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "words"
    source.write_bytes(b"\xff\n" * 100)
    await run("build-blocklist", str(source), "--output", str(tmp_path / "list"))
    said = capsys.readouterr().out
    assert said.count("no UTF-8") == list_reading.MOST_TOLD
    assert "100 lines: 0 too rare, 100 broken" in said


@pytest.mark.parametrize(
    "option, value",
    [("--false-positives", "10"), ("--false-positives", "x"), ("--min-count", "0")],
)
async def test_a_wrong_option_is_refused(option: str, value: str) -> None:
    with pytest.raises(argparse.ArgumentError, match=option):
        await run("build-blocklist", "words", "--output", "list", option, value)


@pytest.mark.parametrize("password, answer", [("hunter2", "yes"), ("Hunter2", "yes"), ("x", "no")])
async def test_a_list_can_be_asked(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    password: str,
    answer: str,
) -> None:
    (tmp_path / "words").write_text("hunter2\n")
    await run("build-blocklist", str(tmp_path / "words"), "--output", str(tmp_path / "list"))
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    if answer == "yes":
        with pytest.raises(CommandError, match="yes, it is in the list"):
            await run("check-blocklist", str(tmp_path / "list"))
    else:
        await run("check-blocklist", str(tmp_path / "list"))
    said = capsys.readouterr().out
    assert ("no, it is not" in said) == (answer == "no")
    assert password not in said.replace("it is not in the list", "") or password == "x"


async def test_a_damaged_list_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("hunter2\n")
    output = tmp_path / "list"
    await run("build-blocklist", str(tmp_path / "words"), "--output", str(output))
    data = bytearray(output.read_bytes())
    data[-1] ^= 1
    output.write_bytes(data)
    with pytest.raises(CommandError, match="damaged"):
        await run("check-blocklist", str(output))
    with pytest.raises(CommandError, match="none: No such file"):
        await run("check-blocklist", str(tmp_path / "none"))
