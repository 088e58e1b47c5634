"""Credentials in forms: what was typed, as the API wants it, and which field an error is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from ostiary import errors
from ostiary.body import decode
from ostiary.pages.fields import Fields
from ostiary.pages.problems import Refused
from ostiary.pages.visit import Visit

TYPED_UNSEEN = ("password", "one-time-code")
"""The kinds of fields in which nobody finds again what they have typed."""

Field = dict[str, Any]
"""As ``auth:describeStrategies`` describes it."""

NAMES = "identifiers"
"""The member of what credentials show that lists the names they open an account by: objects with
``kind``, which is the name of a field, ``value`` and ``verified`` (docs/plugins.md)."""


class Shown(NamedTuple):
    """A value that credentials show.

    :ivar label: what it is called.
    :ivar verified: it is a name that is its user's for sure.
    :ivar place: of a name, among the names that they list; None for what is none.
    """

    label: str
    value: Any
    verified: bool = False
    place: int | None = None


def asked_for(strategy: Mapping[str, Any], what: Literal["login", "registration"]) -> list[Field]:
    """Return the fields of a strategy that are filled in to sign in, or to have credentials."""
    return [field for field in strategy["fields"] if field[what]]


def is_secret(field: Mapping[str, Any]) -> bool:
    """Tell whether what is typed into a field is shown to nobody.

    A password is not, whether its strategy has thought of saying so or not.
    """
    return field["secret"] or field["kind"] in TYPED_UNSEEN


async def labels(visit: Visit) -> dict[str, str]:
    """Return the labels of the strategies that are installed, by their names."""
    return {one["name"]: one["label"] for one in await visit.strategies()}


async def look_at(
    visit: Visit, controller: str, action: str, **args: Any
) -> tuple[dict[str, Any] | None, Refused | None]:
    """Return what credentials show, without the kuid; None if there are none of that strategy.

    What else the strategy refuses comes beside it: others may tell of theirs.
    """
    try:
        seen = await visit.call(controller, action, **args)
    except Refused as refused:
        return None, None if refused.id == errors.NoCredentials.id else refused
    return {name: value for name, value in seen.items() if name != "kuid"}, None


def names_in(seen: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the names by which credentials open an account, where what they show lists them."""
    listed = seen.get(NAMES)
    if not isinstance(listed, list):
        return []
    return [one for one in listed if isinstance(one, dict) and {"kind", "value"} <= one.keys()]


def is_verified(name: Mapping[str, Any]) -> bool:
    """Tell whether a name that credentials list is its user's for sure."""
    return name.get("verified") is True


def shown(strategy: Mapping[str, Any], seen: Mapping[str, Any]) -> list[Shown]:
    """Return what credentials show, their names last."""
    labels = {field["name"]: str(field["label"]) for field in strategy["fields"]}
    names = names_in(seen)
    known = [one["value"] for one in names]
    rows = [
        Shown(labels.get(name, name), value)
        for name, value in seen.items()
        if not names or (name != NAMES and value not in known)
    ]
    return rows + [
        Shown(labels.get(one["kind"], one["kind"]), one["value"], is_verified(one), place)
        for place, one in enumerate(names)
    ]


def read_fields(form: Fields, fields: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields that were filled in, each as its kind wants it."""
    return {
        field["name"]: _value(field["kind"], form.text(field["name"]))
        for field in fields
        if form.text(field["name"]) != ""
    }


def at_fault(refused: Refused, names: Iterable[str]) -> str | None:
    """Return the field that an error is about, by what its id and its values call it; None if none.

    Errors name the arguments that they are about (``body.credentials.badge.number``), and plugins
    name theirs by them (``plugin.badge.number_taken``).
    """
    words = "_".join(re.findall("[a-z0-9]+", refused.id.rpartition(".")[2].lower()))
    values = {str(one).rpartition(".")[2] for one in refused.props if isinstance(one, str)}
    longest_first = sorted(names, key=len, reverse=True)
    for name in longest_first:
        if name in values:
            return name
    return next((name for name in longest_first if f"_{_snake(name)}_" in f"_{words}_"), None)


def _value(kind: str, text: str) -> Any:
    """Return what was typed; what is not of its kind goes as it is, and the strategy says so."""
    if kind not in ("number", "json"):
        return text
    try:
        return decode(text)
    except ValueError:
        return text


def _snake(name: str) -> str:
    """Return a name as it stands in the id of an error: ``pinCode`` is ``pin_code``."""
    return re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
