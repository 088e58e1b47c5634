"""The strategy that the plugin declares, and the settings that shape it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ostiary import CredentialField, Factor, Strategy
from ostiary_local import names, passwords


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """The table ``[plugins.local]``."""

    min_length: Annotated[
        int | None, "Characters that a new password has at least: 15, and no rule in `--dev`."
    ] = None
    username_matching: Annotated[
        Literal["folded", "exact"], "Whether `Ann` and `ann` are one user name or two."
    ] = "folded"
    dev: Annotated[bool, "The server runs with `--dev`; told by the server itself."] = False

    def __post_init__(self) -> None:
        if self.min_length is not None and not 0 <= self.min_length <= passwords.LONGEST:
            raise ValueError(f"minLength: wanted: from 0 to {passwords.LONGEST}")

    @property
    def shortest(self) -> int:
        """Characters that a new password has at least."""
        if self.min_length is not None:
            return self.min_length
        return 0 if self.dev else passwords.SHORTEST


@dataclass(frozen=True, kw_only=True)
class LocalStrategy(Strategy):
    """Users sign in with a user name and a password."""

    name: str = "local"
    label: str = "User name and password"
    fields: tuple[CredentialField | str, ...] = (
        CredentialField("username", label="User name"),
        CredentialField("password", kind="password", secret=True),
    )
    factors: tuple[Factor, ...] = ("knowledge",)
    identifier: str | None = "username"
    refusal: str = "Wrong user name or password."
    settings: LocalSettings = LocalSettings()

    def account(self, credentials: Mapping[str, Any]) -> str | None:
        """Return what the spellings of the user name share that a login gives."""
        username = credentials.get("username")
        if not isinstance(username, str) or not username:
            return None
        # Folding takes its time, and what nobody can have needs none.
        return username if len(username) > names.LONGEST else self.key(username)

    def key(self, username: str) -> str:
        """Return what the spellings of a user name share."""
        if self.settings.username_matching == "exact":
            return username
        return names.folded(username)
