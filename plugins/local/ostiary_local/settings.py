"""The settings of the local strategy, the table ``[plugins.local]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ostiary import Lifetime
from ostiary_local import passwords
from ostiary_local.rules import PasswordPolicy

MINUTE, HOUR = 60_000, 3_600_000


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """The table ``[plugins.local]``."""

    min_length: Annotated[
        int | None, "Characters that a new password has at least: 15, and no rule in `--dev`."
    ] = None
    username_matching: Annotated[
        Literal["folded", "exact"], "Whether `Ann` and `ann` are one user name or two."
    ] = "folded"
    require_password: Annotated[
        bool | None,
        "Users give their current password when they change or give up their own credentials:"
        " true, and false in `--dev`.",
    ] = None
    reset_password_expires_in: Annotated[Lifetime, "Lifetime of a reset token, at most `1h`."] = (
        15 * MINUTE
    )
    password_policies: Annotated[
        tuple[PasswordPolicy, ...],
        "Rules for the passwords of all users, or of some; all that bind a user hold.",
    ] = ()
    dev: Annotated[bool, "The server runs with `--dev`; told by the server itself."] = False

    def __post_init__(self) -> None:
        if self.min_length is not None and not 0 <= self.min_length <= passwords.LONGEST:
            raise ValueError(f"minLength: wanted: from 0 to {passwords.LONGEST}")
        if not 0 < self.reset_password_expires_in <= HOUR:
            raise ValueError(
                "resetPasswordExpiresIn: wanted: at most 1h. Kuzzle's -1, without end, is not"
                " taken: whoever finds an old token or mail could take the account over"
            )

    @property
    def shortest(self) -> int:
        """Characters that a new password has at least."""
        if self.min_length is not None:
            return self.min_length
        return 0 if self.dev else passwords.SHORTEST

    @property
    def asks_current_password(self) -> bool:
        """Whether users prove their current password before they change their credentials."""
        return not self.dev if self.require_password is None else self.require_password
