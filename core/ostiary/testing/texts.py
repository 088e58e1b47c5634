"""The texts of a package that people read on pages: what its strategies and errors declare."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from ostiary.fields import CredentialField

DECLARING = {"label", "help", "done", "refusal"}
"""The arguments, and defaults of dataclasses, that strategies, fields and forms give to readers."""

SAYING = {"_", "gettext", "mark", "say"}
FIELD, ERROR = "CredentialField", "declare"
DECLARERS = (FIELD, "Form", "Strategy")
MESSAGE = 2
"""Where the message stands among the arguments that declare an error."""

WORD = re.compile(r"[^\W\d_]")
VALUE = re.compile(r"\{\d+\}|%\(\w+\)s")


class Text(Struct, frozen=True):
    """A text, and the line that it stands in."""

    line: int
    words: str


def texts_in(source: str) -> Iterator[Text]:
    """Yield the texts of a module: of what it declares, and of what it says or marks itself.

    Those are found that hold nothing but constants of the module.
    """
    tree = ast.parse(source)
    filled = _Filled(tree)
    for node in ast.walk(filled.visit(tree)):
        for found in _texts_of(node):
            if WORD.search(VALUE.sub("", found)):
                yield Text(getattr(node, "lineno", 0), found)


def texts_of(folder: Path) -> Iterator[str]:
    """Yield the texts of all modules of a package."""
    for file in sorted(folder.rglob("*.py")):
        yield from (text.words for text in texts_in(file.read_text(encoding="utf-8")))


def values_in(text: str) -> list[str]:
    """Return the places in a text where values go."""
    return sorted(VALUE.findall(text))


def _texts_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
            if name in DECLARING:
                yield text
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            yield from _texts_of_call(name, node)


def _texts_of_call(name: str, call: ast.Call) -> Iterator[str]:
    given = [one.value if isinstance(one, ast.Constant) else None for one in call.args]
    named = {
        one.arg: one.value.value for one in call.keywords if isinstance(one.value, ast.Constant)
    }
    if name.endswith(DECLARERS):
        yield from (str(value) for key, value in named.items() if key in DECLARING)
    if name in SAYING and given and isinstance(given[0], str):
        yield given[0]
    if name == ERROR and len(given) > MESSAGE and isinstance(given[MESSAGE], str):
        yield str(given[MESSAGE])
    if name == FIELD and given and isinstance(given[0], str) and "label" not in named:
        yield CredentialField(given[0]).title


class _Filled(ast.NodeTransformer):
    """Makes a text of each f-string that only constants of its module fill."""

    def __init__(self, module: ast.Module) -> None:
        self._constants: dict[str, object] = {}
        for node in module.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                    self._constants[name] = value
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                    self._learn(names, values)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Return a text, where all is known that stands in it."""
        parts: list[str] = []
        for part in node.values:
            match part:
                case ast.Constant(value=str(text)):
                    parts.append(text)
                case ast.FormattedValue(value=ast.Name(id=name)) if name in self._constants:
                    parts.append(str(self._constants[name]))
                case _:
                    return node
        return ast.copy_location(ast.Constant("".join(parts)), node)

    def _learn(self, names: list[ast.expr], values: list[ast.expr]) -> None:
        for name, value in zip(names, values, strict=False):
            if isinstance(name, ast.Name) and isinstance(value, ast.Constant):
                self._constants[name.id] = value.value
