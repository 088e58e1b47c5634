"""What of a profile names an account, and what of it is kept, of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ostiary_oauth.attributes import RESERVED, steps_of
from ostiary_oauth.catalogue import Recipe

if TYPE_CHECKING:
    from ostiary_oauth.settings import StrategySettings

ADDRESSES = {"email", "emails", "mail", "confirmed_email", "emailaddress"}


def of(recipe: Recipe, table: StrategySettings) -> dict[str, Any]:
    """Return the fields of a provider that say what its profiles mean."""
    email = table.email_attribute or recipe.email
    identifier = _identifier(recipe, table, email)
    persist = _persist(recipe, table, identifier)
    verified = table.email_verified_attribute
    if verified is None and table.email_attribute in (None, recipe.email):
        # What the provider says of one address is not said of another.
        verified = recipe.email_verified
    return {
        "identifier": identifier,
        "email": email,
        "email_verified": verified,
        "persist": persist,
        "mapping": _mapping(table, identifier, persist),
    }


def is_address(path: str) -> bool:
    """Tell whether a path looks like that of an e-mail address."""
    return path.rpartition(".")[2].lower() in ADDRESSES


def _identifier(recipe: Recipe, table: StrategySettings, email: str) -> str:
    wanted = table.identifier_attribute
    if wanted is None:
        return recipe.identifiers[0]
    if recipe.identifiers and wanted not in recipe.identifiers:
        raise ValueError(
            f"identifierAttribute: wanted: {' or '.join(recipe.identifiers)}, or nothing, which is"
            f" {recipe.identifiers[0]}: it stays with an account for ever, and an address, or a"
            " name, may become another's"
        )
    if not steps_of(wanted) or wanted == email or is_address(wanted):
        raise ValueError(
            "identifierAttribute: wanted: what stays with an account for ever: an address may"
            " become another's"
        )
    return wanted


def _persist(recipe: Recipe, table: StrategySettings, identifier: str) -> tuple[str, ...]:
    """Return what is kept; the identifier always is."""
    if table.persist is None:
        return tuple(dict.fromkeys((identifier, *recipe.persist)))
    if not all(steps_of(path) for path in table.persist):
        raise ValueError("persist: wanted: paths of attributes")
    if table.identifier_attribute is not None and table.persist and identifier not in table.persist:
        raise ValueError(f"persist: wanted: {identifier} as well, the identifierAttribute")
    return tuple(dict.fromkeys((identifier, *table.persist)))


def _mapping(
    table: StrategySettings, identifier: str, persist: tuple[str, ...]
) -> Mapping[str, str]:
    mapping = dict(_flat(table.kuzzle_attributes_mapping, ""))
    for path, name in mapping.items():
        key = f"kuzzleAttributesMapping.{path}"
        if path not in persist:
            raise ValueError(
                f"{key}: is not among persist; wanted: path at the provider = name here"
            )
        if path == identifier and name != path:
            raise ValueError(f"{key}: the identifier keeps its name")
        if not _is_name(name):
            raise ValueError(f"{key}: wanted: a name other than {', '.join(sorted(RESERVED))}")
    seen: dict[str, str] = {}
    for path in persist:
        name = mapping.get(path, path)
        if not _is_name(name):
            raise ValueError(f"persist: {path} wants another name, by kuzzleAttributesMapping")
        if name in seen:
            raise ValueError(f"kuzzleAttributesMapping: {seen[name]} and {path} are both {name}")
        seen[name] = path
    return mapping


def _is_name(path: str) -> bool:
    """Tell whether something can be kept there."""
    first = next(iter(steps_of(path)), None)
    return isinstance(first, str) and first not in RESERVED


def _flat(table: Mapping[str, Any], within: str) -> Iterator[tuple[str, str]]:
    """Yield what a table says by dotted paths, be they written so or as tables in tables."""
    for key, value in table.items():
        path = f"{within}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        elif isinstance(value, str):
            yield path, value
        else:
            raise ValueError(f"kuzzleAttributesMapping.{path}: wanted: a name")  # noqa: TRY004 - a wrong setting
