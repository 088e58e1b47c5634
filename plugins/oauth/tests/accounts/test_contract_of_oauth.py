"""The strategies of providers keep the contract of every strategy, with a provider on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from ostiary.testing import StrategyContract

from ..provider import CALLBACK, CLIENT_SECRET, Loopback, running  # noqa: TID252

NO_SECRET = (
    "a client of ours knows no secret of the user, and the kit's clients do not go to a provider"
)

LONGEST = 1_000


class TestOAuth(StrategyContract):
    plugin = "oauth"
    good = {"sub": "0042", "email": "ann@example.org", "name": "Ann"}
    other = {"sub": "0043", "email": "bob@example.org", "name": "Bob"}
    updates = {"sub": "0042", "email": "anna@example.org", "name": "Anna"}
    not_asked = {"login": NO_SECRET, "answers": NO_SECRET, "work": NO_SECRET}

    provider: ClassVar[Loopback]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def at_the_provider(cls) -> Iterator[None]:
        """Run the provider as long as the promises are tried."""
        with running() as cls.provider:
            yield

    @classmethod
    def subject(cls) -> Any:
        provider = cls.provider
        table = {
            "provider": "oidc",
            "issuer": provider.url,
            "clientID": provider.client_id,
            "clientSecret": CLIENT_SECRET,
            "callbackURL": CALLBACK,
            "scope": ["openid", "email"],
            "persist": ["sub", "email", "name"],
            "users": "refuse",
        }
        settings = {"allowInsecureHttp": True, "strategies": {"work": table}}
        return replace(super().subject(), settings=settings)

    def answer(self, location: str, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        # What no provider could say of anybody is for the tests of malicious ones.
        said = {
            name: value
            for name, value in credentials.items()
            if isinstance(value, str) and value.isprintable() and len(value) < LONGEST
        }
        self.provider.user = {"sub": "somebody else", **said}
        return self.provider.consent(location)
