"""The editor of a profile: its policies, one below the other, and how often its users may ask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ostiary.pages.console.entries import restriction_lines, restrictions_of
from ostiary.pages.fields import Fields

NUMBER = re.compile(r"\d{1,15}", re.ASCII)

SPARE = 2
"""Policies without a role that the editor has room for."""


class Policy(Struct, frozen=True):
    """A policy as it is edited: a role, and lines of the places that it is restricted to."""

    role: str = ""
    places: str = ""


class ProfileForm(Struct, frozen=True):
    """What the fields of the editor hold."""

    policies: tuple[Policy, ...]
    rate_limit: str

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> ProfileForm:
        """Return the form of a profile."""
        policies = tuple(
            Policy(one["roleId"], restriction_lines(one.get("restrictedTo", ())))
            for one in source["policies"]
        )
        return cls(policies, str(source["rateLimit"]))

    @classmethod
    def sent(cls, form: Fields) -> ProfileForm:
        """Return what somebody has filled in; a policy without a role is taken away."""
        pairs = zip(form.all("role"), form.all("places"), strict=False)
        policies = tuple(Policy(role, places) for role, places in pairs if role.strip())
        return cls(policies, form.text("rateLimit").strip())

    @property
    def rows(self) -> tuple[Policy, ...]:
        """The policies, and room for more."""
        return (*self.policies, *[Policy()] * SPARE)

    def body(self) -> dict[str, Any]:
        """Return what is written of a profile.

        :raises Mistaken: a line cannot be read.
        """
        policies = []
        for one in self.policies:
            policy: dict[str, Any] = {"roleId": one.role}
            if places := restrictions_of(one.places):
                policy["restrictedTo"] = places
            policies.append(policy)
        # What is no number the server refuses in its own words.
        limit = self.rate_limit
        number = int(limit) if NUMBER.fullmatch(limit) else limit
        return {"policies": policies, "rateLimit": number or 0}
