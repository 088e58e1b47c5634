"""Imports point one way, and libraries stay where they belong; read from the syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "core"
PLUGINS = [path for path in sorted(ROOT.glob("plugins/*/ostiary_*")) if path.is_dir()]
SOURCES = [
    *sorted(CORE.rglob("*.py")),
    *(file for one in PLUGINS for file in sorted(one.rglob("*.py"))),
]

LAYERS = (
    "arrivals clock database_urls errors durations log networks patience pressure properties seals",
    "hash_pool hashing keys key_sources sealing body",
    "settings",
    "greeting",
    "request",
    "acting arguments cookies declarations events fields filters message origins strategies",
    "actions directory routes",
    "storage",
    "key_settings",
    "circuits watchdog",
    "calling verdicts",
    "commands",
    "hookspecs",
    "address_hooks login_hooks narrowing offering plugin_commands plugin_controllers plugin_loading plugin_names plugins stored_strategies",
    "background_hooks event_hooks",
    "services",
    "controllers",
    "audit housekeeping identity",
    "dispatch",
    "failsafe",
    "encodings http_parts proxies",
    "access_log http_answers",
    "pages",
    "front",
    "http websocket openapi openapi_logins",
    "wiring",
    "composition",
    "app",
    "startup",
    "eager websocket_protocol",
    "http_cycle http_names",
    "http_protocol",
    "http_pressure",
    "exports",
    "authoring importing operations rotation serving life workplaces",
    "explaining",
    "auditing",
    "cli testing",
    "__main__",
)
"""The modules and packages of the core; each imports its own line and those above it."""

LIBRARIES = {
    "starlette": "websocket app pages testing",
    "sqlalchemy": "storage services operations testing",
    "pluggy": "address_hooks background_hooks event_hooks hookspecs plugins login_hooks plugin_loading plugin_names composition testing",
    "alembic": "storage.migrate",
    "asyncpg": "storage testing",
    "uvicorn": "serving http_cycle http_names http_protocol http_pressure websocket_protocol testing",
    "argon2": "hashing",
    "cryptography": "keys sealing",
    "babel": "testing",
    "jinja2": "pages testing",
    "markupsafe": "pages",
    "ua_parser": "pages",
    "joserfc": "services",
}
"""Where in the core a library may be imported."""

BEHIND_PAGES = "storage services controllers plugins directory hookspecs dispatch"
"""What pages reach by the actions of the API alone."""

NAMED_BY_PAGES = {
    ("ostiary.pages.behind", "ostiary.dispatch"): "what a client asks, as an adapter does",
    ("ostiary.pages.setup", "ostiary.dispatch"): "what a client calls the header of the secret",
    ("ostiary.pages.onward", "ostiary.services.returning"): "what a code challenge looks like",
}
"""Each with its reason."""

FOR_PLUGINS = {"ostiary", "ostiary.testing"}
MEANINGLESS = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "manager",
    "managers",
    "base",
    "misc",
}
MOST_LINES = 400


@dataclass(frozen=True)
class Import:
    """One import of a module, and whether it runs when the importing module is loaded."""

    importer: str
    imported: str
    line: int
    eager: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def name_of(file: Path, root: Path) -> str:
    """Return the dotted name of a file's module."""
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file, CORE) for file in CORE.rglob("*.py")}


def imports(file: Path, root: Path) -> Iterator[Import]:
    """Yield every import of a file, except those for type checkers only."""
    importer = name_of(file, root)

    def walk(node: ast.AST, *, eager: bool) -> Iterator[Import]:
        match node:
            case ast.Import(names):
                for alias in names:
                    yield Import(importer, alias.name, node.lineno, eager)
            case ast.ImportFrom(module, names, level):
                assert level == 0, f"{importer}:{node.lineno}: a relative import"
                for alias in names:
                    deeper = f"{module}.{alias.name}"
                    target = deeper if deeper in MODULES else str(module)
                    yield Import(importer, target, node.lineno, eager)
            case ast.If(ast.Name("TYPE_CHECKING"), _, orelse):
                for other in orelse:
                    yield from walk(other, eager=eager)
            case _:
                inside = eager and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                for child in ast.iter_child_nodes(node):
                    yield from walk(child, eager=inside)

    yield from walk(ast.parse(file.read_text(encoding="utf-8")), eager=True)


CORE_IMPORTS = [one for file in sorted(CORE.rglob("*.py")) for one in imports(file, CORE)]


def layer(module: str) -> int:
    """Return the number of the line in ``LAYERS`` that a module of the core stands in."""
    top = module.split(".")[1]
    for number, names in enumerate(LAYERS):
        if top in names.split():
            return number
    pytest.fail(f"{module} stands in no layer: give it one in {Path(__file__).name}")


def belongs(module: str, places: str) -> bool:
    """Tell whether a module of the core is one of some places, or within one."""
    inner = f"{module.partition('.')[2]}."
    return any(inner.startswith(f"{place}.") for place in places.split())


def test_there_is_something_to_check() -> None:
    assert {"ostiary", "ostiary.errors", "ostiary.settings.reading"} <= MODULES
    assert [path.name for path in PLUGINS] != []
    assert any(one.imported == "ostiary.errors" for one in CORE_IMPORTS)


def test_imports_point_one_way() -> None:
    wrong = [
        str(one)
        for one in CORE_IMPORTS
        if one.importer != "ostiary"
        and one.imported.startswith("ostiary.")
        and layer(one.imported) > layer(one.importer)
    ]
    assert wrong == []


def test_what_plugins_import_costs_them_no_service() -> None:
    top = next(number for number, names in enumerate(LAYERS) if "hookspecs" in names)
    wrong = [
        str(one)
        for one in CORE_IMPORTS
        if one.importer == "ostiary"
        and one.imported.startswith("ostiary.")
        and layer(one.imported) > top
    ]
    assert wrong == []


def test_modules_do_not_import_each_other_in_circles() -> None:
    graph: dict[str, set[str]] = {module: set() for module in MODULES - {"ostiary"}}
    for one in CORE_IMPORTS:
        inward = one.imported in graph and one.importer in graph
        # A package imports its parts, and its parts come from within it.
        if inward and one.eager and not one.importer.startswith(f"{one.imported}."):
            graph[one.importer].add(one.imported)
    assert list(TopologicalSorter(graph).static_order()) != []


def test_pages_have_no_way_to_the_server_but_that_of_a_client() -> None:
    reached = {
        (one.importer, one.imported)
        for one in CORE_IMPORTS
        if belongs(one.importer, "pages") and belongs(one.imported, BEHIND_PAGES)
    }
    assert reached == NAMED_BY_PAGES.keys()
    asking = {
        file.stem
        for file in sorted((CORE / "ostiary" / "pages").rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"dispatcher", "_dispatcher"}
    }
    assert asking == {"client"}, "only the client of a visit asks the dispatcher"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    wrong = [
        str(one)
        for one in CORE_IMPORTS
        if one.imported.partition(".")[0] == library
        and not belongs(one.importer, LIBRARIES[library])
    ]
    assert wrong == []


def test_alembic_is_imported_only_when_something_is_migrated() -> None:
    wrong = [str(one) for one in CORE_IMPORTS if one.imported.startswith("alembic") and one.eager]
    assert wrong == []


@pytest.mark.parametrize("package", PLUGINS, ids=lambda package: str(package.name))
def test_a_plugin_imports_what_is_published_and_nothing_deeper(package: Path) -> None:
    wrong = [
        str(one)
        for file in sorted(package.rglob("*.py"))
        for one in imports(file, package.parent)
        if one.imported.partition(".")[0] == "ostiary"
        and one.imported not in FOR_PLUGINS
        and one.imported != "ostiary.errors"
    ]
    assert wrong == []


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_is_short_says_why_it_exists_and_has_a_name_that_says_something(
    file: Path,
) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert file.stem not in MEANINGLESS
    assert not text or ast.get_docstring(ast.parse(text)), "the first line says nothing"
