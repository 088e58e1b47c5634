"""Writes the reference pages from what the code declares: each fact stands in one place only.

``python docs/generate.py`` writes docs/reference/*.md; with ``--check`` it names
the pages that are out of date, and fails.
"""

# ruff: noqa: INP001 - a program, not a module of a package

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, get_args, get_origin

from hooks import events_page, hooks_page, prose
from ostiary import cli, errors
from ostiary.actions import Action, Argument
from ostiary.cli.plugin_commands import parser_of
from ostiary.settings import Described, described_settings
from ostiary.settings.sources import OPTIONS, PREFIX, describe
from ostiary.settings.wording import wanted
from ostiary.testing.registry import registry_of
from ostiary_local.commands import commands
from ostiary_local.errors import WIRE_NAME as LOCAL
from ostiary_local.settings import LocalSettings
from ostiary_oauth.errors import WIRE_NAME as OAUTH
from ostiary_oauth.settings import OAuthSettings

FOLDER = Path(__file__).parent / "reference"
NOTICE = "<!-- Made by docs/generate.py; changes belong in the code. -->"


def main() -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    # Defaults that name the home folder are to be the same on every machine.
    os.environ["HOME"] = "~"
    os.environ.pop("XDG_DATA_HOME", None)
    differing = [name for name, page in pages() if _differs(FOLDER / name, page, write=not check)]
    for name in differing:
        sys.stdout.write(f"docs/reference/{name} {'is out of date' if check else 'is written'}\n")
    return 1 if check and differing else 0


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name of each page and what it holds."""
    makers: tuple[Callable[[], Iterable[str]], ...] = (
        actions_page, errors_page, settings_page, hooks_page, events_page, cli_page,
    )  # fmt: skip
    for make in makers:
        name = make.__name__.removesuffix("_page") + ".md"
        title, *blocks = make()
        yield name, "\n\n".join([f"# {title}", NOTICE, *blocks]) + "\n"


def actions_page() -> Iterator[str]:
    """Describe every action of the API, by controller."""
    yield "Actions"
    yield (
        "What the server can be asked, over HTTP and WebSocket alike. An argument stands in the "
        "path or in the query string of HTTP, and beside `controller` and `action` in a WebSocket "
        "message. [Clients](../clients.md) says how a request and its answer look. The controllers "
        f"whose names begin with `{LOCAL}/` are those of the plugin `local`, those with `{OAUTH}/` of "
        "the plugin `oauth`; a server describes what its other plugins add at `/_openapi?scope=app`."
    )
    for controller, actions in groupby(
        registry_of("local", "oauth"), key=lambda one: one.controller
    ):
        yield f"## {controller}"
        for action in actions:
            yield from _action(action)


def errors_page() -> Iterator[str]:
    """Describe every error that an answer can hold, by family."""
    yield "Errors"
    yield (
        "Clients should tell errors by `id` or `code`: the sentence may change. `{0}`, `{1}` and so "
        "on stand for the values that travel in `props`. Those under "
        f"`plugin.{LOCAL}` are of the plugin `local`, those under `plugin.{OAUTH}` of the plugin `oauth`."
    )
    for family, declared in groupby(errors.CATALOGUE.values(), key=lambda one: _family(one.id)):
        yield f"## {family}"
        for error in declared:
            yield f"### {error.id}"
            yield f"Status {error.status}, code {error.code} (`{error.code:#010x}`)."
            yield f"> {error.message}"


def settings_page() -> Iterator[str]:
    """Describe every setting: key, environment variable, option, type and default."""
    yield "Settings"
    yield (
        "A setting stands in `ostiary.toml` under its key, in the environment under the name of its "
        "variable, or on the command line. [Operators](../operators.md#settings) says which "
        "of them holds. What holds where a setting is not set by default, its description says."
    )
    for table, declared in groupby(described_settings(), key=lambda one: _table(one.key)):
        yield f"## {table}"
        for described in declared:
            yield from _setting(described)
    yield from _of_plugin("local", LocalSettings)
    yield from _of_plugin("oauth", OAuthSettings)


def cli_page() -> Iterator[str]:
    """Describe every command and its options."""
    yield "Command line"
    yield (
        "Every command ends with status 0 when it has done its work, 1 when it could not, and 2 "
        "when it was asked wrongly. Those that begin with `ostiary local` come with the plugin `local`."
    )
    yield from _command(cli.make_parser())
    yield from _command(parser_of("local", commands()))


def _action(action: Action) -> Iterator[str]:
    yield f"### {action.controller}:{action.name}"
    yield from prose(action.description)
    if action.signed_in:
        yield "Needs a token, whatever the rights of `anonymous`."
    if action.strict:
        yield "A body in which an object has the same key twice is refused."
    yield _list(
        f"`{route.verb} {route.path}`"
        + (f" (deprecated since {route.deprecated})" if route.deprecated else "")
        for route in action.routes
    )
    rows = [_argument(argument, argument.name) for argument in action.arguments]
    if action.body is not None:
        rows.append(("`body`", "object", _wanted(required=action.body.required), ""))
        rows += [_argument(member, f"body.{member.name}") for member in action.body.members]
    if rows:
        yield _table_of(("Argument", "Type", "Default", ""), rows)


def _argument(argument: Argument, name: str) -> tuple[str, str, str, str]:
    kinds = argument.wire.schema.get("type", "any")
    kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
    default = argument.default
    shown = _wanted(required=argument.required) if argument.required else _value(default)
    return f"`{name}`", kind, shown, argument.doc


def _wanted(*, required: bool) -> str:
    return "required" if required else "none"


def _of_plugin(name: str, settings: type) -> Iterator[str]:
    """Describe the settings of a plugin."""
    yield f"## plugins.{name}"
    yield f"The settings of the plugin `{name}`."
    for described in describe(settings):
        if described.key != "dev":
            words = described.variable.removeprefix(PREFIX)
            shown = dataclasses.replace(
                described,
                key=f"plugins.{name}.{described.key}",
                variable=f"{PREFIX}PLUGINS__{name.upper()}__{words}",
            )
            yield from _setting(shown)
            yield from _entries(shown)


def _entries(described: Described) -> Iterator[str]:
    """Describe the settings of each entry, where a setting is a list or a table of tables."""
    named = get_origin(described.declared.type) is Mapping
    within = f"{described.key}.<name>" if named else f"{described.key}[]"
    for entry in get_args(described.declared.type):
        if dataclasses.is_dataclass(entry) and isinstance(entry, type):
            for inner in describe(entry):
                words = inner.variable.removeprefix(PREFIX)
                shown = dataclasses.replace(
                    inner,
                    key=f"{within}.{inner.key}",
                    variable=f"{described.variable}__<NAME>__{words}",
                )
                yield from _setting(shown)
                yield from _entries(shown)


def _setting(described: Described) -> Iterator[str]:
    declared = described.declared
    yield f"### {described.key}"
    if described.alias:
        yield "Another name of the same setting of `security.authToken`."
        return
    yield declared.doc
    facts = [f"type: {wanted(declared)}"]
    if described.default is dataclasses.MISSING:
        facts.append("required")
    elif described.default is None:
        facts.append("not set by default")
    else:
        facts.append(f"default: {_value(described.default)}")
    if "[" not in described.key and not described.key.endswith(">"):
        facts.append(f"environment: `{described.variable}`")
    if described.key in OPTIONS:
        facts.append(f"command line: `{OPTIONS[described.key]}`")
    if declared.private:
        facts.append("the environment alone may give it")
    if declared.confidential:
        facts.append("shown by `ostiary config` alone, and to nobody by the API")
    if declared.masked:
        facts.append("what is secret in it is hidden by `ostiary config`")
    yield _list(facts)


def _value(value: Any) -> str:
    """Write a default; a text stands without quotes."""
    if value is None:
        return "none"
    return f"`{value if isinstance(value, str | Path) else json.dumps(value)}`"


def _family(id: str) -> str:
    domain, family, *_ = id.split(".")
    return f"{domain}.{family}"


def _table(key: str) -> str:
    return key.rpartition(".")[0]


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    if parser.get_default("run") is not None:
        yield f"## {parser.prog}"
        yield parser.description or ""
    options, groups = [], []
    for one in parser._actions:  # noqa: SLF001 - argparse has no public way to walk a parser
        if isinstance(one, argparse._SubParsersAction):  # noqa: SLF001 - same
            groups.append(one)
        elif "--help" not in one.option_strings and "--version" not in one.option_strings:
            options.append((f"`{_spelling(one)}`", one.help or ""))
    if options:
        yield _table_of(("", ""), options)
    for group in groups:
        for inner in group.choices.values():
            yield from _command(inner)


def _spelling(option: argparse.Action) -> str:
    word = str(option.metavar or option.dest.upper())
    if not option.option_strings:
        return f"[{word}]" if option.nargs == "?" else word
    return option.option_strings[-1] + (f" {word}" if option.nargs != 0 else "")


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"* {item}" for item in items)


def _table_of(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _differs(file: Path, page: str, *, write: bool) -> bool:
    if file.exists() and file.read_text(encoding="utf-8") == page:
        return False
    if write:
        file.parent.mkdir(exist_ok=True)
        file.write_text(page, encoding="utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main())
