"""Catalogues of translations: kept equal to what the code says, and compiled.

``python -m ostiary.testing.catalogues ostiary_pin`` brings the catalogues of a package up to date:
``ostiary_pin/locale/<language>/LC_MESSAGES/ostiary_pin.po``, and the ``.mo`` beside it, which the
wheel holds too: nothing is compiled when a plugin is installed. ``--new fr`` begins one.
``--check`` changes nothing, tells what is missing, and fails.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract
from msgspec import Struct

from ostiary.testing.texts import texts_in, values_in

CORE = "ostiary"
MET = ("api.", "security.", "ostiary.")
"""How the ids of those errors of the core begin that people meet on pages."""

SAYING = ("_", "gettext", "ngettext")
TEMPLATES = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}


class Package(Struct, frozen=True):
    """A package with catalogues.

    :ivar sources: folders and files with texts.
    """

    domain: str
    locale: Path
    sources: tuple[Path, ...]

    @classmethod
    def named(cls, name: str) -> Package:
        """Return a package by its name; ``ostiary`` is the pages and the errors of the core."""
        folder = Path(str(files(name)))
        if name != CORE:
            return cls(name, folder / "locale", (folder,))
        pages = folder / "pages"
        return cls(name, pages / "locale", (pages, folder / "errors.py"))

    def catalogues(self) -> Iterator[Path]:
        """Yield the catalogues that there are."""
        yield from sorted(self.locale.glob(f"*/LC_MESSAGES/{self.domain}.po"))

    def texts(self) -> Catalog:
        """Return what is to be translated, each text with the file that it stands in."""
        found = Catalog(domain=self.domain, charset="utf-8")
        for source in self.sources:
            base = source.parent if source.is_file() else source
            for file in [source] if source.is_file() else sorted(source.rglob("*.*")):
                for text in _texts_in(file):
                    found.add(text, locations=[(str(file.relative_to(base)), 0)])
        return found


def refresh(package: Package, new: str | None = None) -> None:
    """Bring the catalogues of a package up to date, and compile them."""
    if new is not None:
        path = package.locale / new / "LC_MESSAGES" / f"{package.domain}.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"# {new}: {package.domain}"
        begun = Catalog(new, package.domain, head, package.domain, "", fuzzy=False)
        _write(path, begun, write_po, **PO)
    for path in package.catalogues():
        _write(path, _updated(path, package), write_po, **PO)
        _write(path.with_suffix(".mo"), _read(path), write_mo)


def faults(package: Package) -> Iterator[str]:
    """Yield what is wrong with the catalogues of a package."""
    wanted = {_key(one.id) for one in package.texts() if one.id}
    for path in package.catalogues():
        where, catalogue = f"{package.domain} ({path.parent.parent.name})", _read(path)
        known = {_key(one.id): one for one in catalogue if one.id}
        yield from (f"{where} lacks {key!r}" for key in sorted(wanted - known.keys()))
        old = sorted(known.keys() - wanted) + sorted(map(str, catalogue.obsolete))
        yield from (f"{where} has {key!r}, which nothing says" for key in old)
        yield from (f"{where}: {fault}" for one in known.values() for fault in _faults_of(one))
        with path.with_suffix(".mo").open("rb") as file:
            compiled = {_key(one.id): _each(one.string) for one in read_mo(file) if one.id}
        ready = {key: _each(one.string) for key, one in known.items() if all(_each(one.string))}
        if compiled != ready:
            yield f"{where} is not compiled"


def main() -> int:
    """Bring catalogues up to date, or tell what is wrong with them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", nargs="+")
    parser.add_argument("--new", metavar="LANGUAGE")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    packages = [Package.named(name) for name in given.package]
    if not given.check:
        for package in packages:
            refresh(package, given.new)
    found = [fault for package in packages for fault in faults(package)]
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    return 1 if found else 0


PO: dict[str, Any] = {"width": 100, "include_lineno": False, "ignore_obsolete": True}


def _texts_in(file: Path) -> Iterator[str | tuple[str, str]]:
    if file.suffix == ".py":
        source = file.read_text(encoding="utf-8")
        if file.name == "errors.py" and file.parent.name == CORE:
            source = "\n".join(
                line for line in source.splitlines() if any(f'"{one}' in line for one in MET)
            )
        yield from (text.words for text in texts_in(source))
    elif file.suffix == ".html":
        with file.open("rb") as template:
            for _, _, given, _ in babel_extract(template, SAYING, [], TEMPLATES):
                # What is not written there is None.
                match [one for one in (given if isinstance(given, tuple) else [given]) if one]:
                    case [text]:
                        yield text
                    case [one, many]:
                        yield one, many


def _updated(path: Path, package: Package) -> Catalog:
    catalogue, template = _read(path), package.texts()
    begun = catalogue.creation_date
    catalogue.update(template, no_fuzzy_matching=True)
    # A catalogue changes with what it says, and not with the time.
    catalogue.creation_date = begun
    catalogue.obsolete.clear()
    return catalogue


def _faults_of(message: Message) -> Iterator[str]:
    strings = _each(message.string)
    if not all(strings):
        yield f"{message.id!r} is not translated"
    elif message.fuzzy:
        yield f"{message.id!r} is fuzzy"
    elif any(values_in(one) not in map(values_in, _each(message.id)) for one in strings):
        yield f"{message.id!r} has other values in its translation"


def _each(text: Any) -> tuple[str, ...]:
    """Return the forms of a text: of one and of many, or the only one."""
    return tuple(text) if isinstance(text, list | tuple) else (text or "",)


def _key(id: str | tuple[str, ...] | list[str]) -> str:
    return id if isinstance(id, str) else id[0]


def _read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def _write(path: Path, catalogue: Catalog, write: Callable[..., None], **options: Any) -> None:
    made = io.BytesIO()
    write(made, catalogue, **options)
    path.write_bytes(made.getvalue())


if __name__ == "__main__":
    sys.exit(main())
