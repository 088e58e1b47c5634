"""The settings of the local strategy, the table ``[plugins.local]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ostiary_local import passwords
from ostiary_local.mail.settings import MailSettings


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """The table ``[plugins.local]``."""

    min_length: Annotated[
        int | None, "Characters that a new password has at least: 15, and no rule in `--dev`."
    ] = None
    username_matching: Annotated[
        Literal["folded", "exact"], "Whether `Ann` and `ann` are one user name or two."
    ] = "folded"
    mail: Annotated[MailSettings | None, "Mail to users; none by default."] = None
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
