"""The settings of the local strategy, the table ``[plugins.local]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ostiary import Lifetime
from ostiary_local import passwords, phones
from ostiary_local.names import Matching

DAY = 24 * 60 * 60 * 1000


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """The table ``[plugins.local]``."""

    min_length: Annotated[
        int | None, "Characters that a new password has at least: 15, and no rule in `--dev`."
    ] = None
    username_matching: Annotated[
        Matching,
        "Which user names there are, and which are spellings of one: a profile of PRECIS, or `exact`.",
    ] = "Nickname"
    confusables: Annotated[
        Literal["refuse", "allow"] | None,
        "What becomes of a new user name that looks like another: `refuse`, and with `exact` `allow`.",
    ] = None
    phone_region: Annotated[
        str | None, "Where telephone numbers without a country are from, such as `FR`."
    ] = None
    unverified_expires: Annotated[
        Lifetime, "How long an address that is not verified keeps others from claiming it."
    ] = DAY
    dev: Annotated[bool, "The server runs with `--dev`; told by the server itself."] = False

    def __post_init__(self) -> None:
        if self.min_length is not None and not 0 <= self.min_length <= passwords.LONGEST:
            raise ValueError(f"minLength: wanted: from 0 to {passwords.LONGEST}")
        if self.phone_region is not None and self.phone_region not in phones.regions():
            raise ValueError("phoneRegion: wanted: a country of ISO 3166-1, such as FR")

    @property
    def shortest(self) -> int:
        """Characters that a new password has at least."""
        if self.min_length is not None:
            return self.min_length
        return 0 if self.dev else passwords.SHORTEST

    @property
    def refuses_lookalikes(self) -> bool:
        """Whether a new user name may not look like another's."""
        if self.confusables is not None:
            return self.confusables == "refuse"
        return self.username_matching != "exact"

    @property
    def lasting(self) -> int | None:
        """How long an address that is not verified is claimed, in ms; None is for ever."""
        return None if self.unverified_expires < 0 else self.unverified_expires
