"""Profiles that claims give at each login, by the operator's rules and by nothing else (OAU-12).

The rules manage the profiles that they name: a login gives those whose claims say so, and takes the
others of them. What no rule names is an administrator's to give, and stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ostiary_oauth.attributes import value_at
from ostiary_oauth.provider import ProfileRule, Provider


def profiles_of(
    provider: Provider, claims: Mapping[str, Any], held: Iterable[str]
) -> tuple[str, ...]:
    """Return the profiles of a user after a login, of which there is always one.

    :param held: those that the user has, or would have without the rules.
    """
    held = tuple(held)
    if not provider.profile_rules:
        return held
    managed = ruled(provider)
    given = [rule.profile for rule in provider.profile_rules if _says(rule, claims)]
    profiles = dict.fromkeys([*(one for one in held if one not in managed), *given])
    return tuple(profiles) or _unmanaged(provider, managed)


def ruled(provider: Provider) -> set[str]:
    """Return the profiles that claims give and take."""
    return {rule.profile for rule in provider.profile_rules}


def _says(rule: ProfileRule, claims: Mapping[str, Any]) -> bool:
    """Tell whether a claim is what a rule asks for, or a list that has it: a text, exactly."""
    value = value_at(claims, rule.claim)
    return rule.value in value if isinstance(value, list) else bool(value == rule.value)


def _unmanaged(provider: Provider, managed: Collection[str]) -> tuple[str, ...]:
    """Return the default profiles that no rule has just taken; the settings leave one."""
    return tuple(one for one in provider.default_profiles if one not in managed)
