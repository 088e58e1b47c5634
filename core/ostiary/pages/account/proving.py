"""Proving who one is before credentials change: what pages ask for, and what was typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ostiary import errors
from ostiary.pages.problems import Refused
from ostiary.pages.visit import Visit

NEEDED = errors.ProofNeeded.id

OF, PREFIX = "proof.of", "proof.is."
"""Hidden fields with the strategies that take a proof, and how the names of its fields begin:
a strategy may call one of its credentials the same."""


def read_proof(visit: Visit, abouts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what was typed as a proof for any of some strategies."""
    names = [field["name"] for about in abouts for field in about["proof"]]
    typed = {name: visit.form.text(f"{PREFIX}{name}") for name in names}
    return {name: value for name, value in typed.items() if value}


async def takers(visit: Visit, refused: Refused) -> list[dict[str, Any]]:
    """Return the strategies that an error names of which one has to be proved."""
    return await _named(visit, {name for one in refused.props for name in str(one).split(", ")})


async def told_of(visit: Visit) -> list[dict[str, Any]]:
    """Return the strategies that a form has asked a proof for."""
    return await _named(visit, set(visit.form.all(OF)))


async def _named(visit: Visit, names: set[str]) -> list[dict[str, Any]]:
    return [one for one in await visit.strategies() if one["name"] in names and one["proof"]]
