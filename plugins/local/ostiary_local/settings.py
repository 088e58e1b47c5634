"""The settings of the local strategy, the table ``[plugins.local]``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from ostiary import Lifetime
from ostiary_local import passwords, phones, strength
from ostiary_local.blocklists import SHIPPED, Blocklist, Damaged
from ostiary_local.mail.settings import MailSettings
from ostiary_local.names import Matching
from ostiary_local.rules import PasswordPolicy

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """The table ``[plugins.local]``."""

    min_length: Annotated[
        int | None,
        "Characters that a new password has at least: 15, and no rule in `--dev`. "
        "8 is enough where every login has a second factor.",
    ] = None
    max_length: Annotated[
        int | None,
        "Characters that a new password has at most, 64 or more; 4096 bytes are the most anyway.",
    ] = None
    min_strength: Annotated[
        int | None,
        "The score of zxcvbn, from 0 to 4, that a new password has at least: 3, and 0 in `--dev`. "
        "0 is no rule.",
    ] = None
    blocklists: Annotated[
        tuple[str, ...] | None,
        "Files made by `ostiary local build-blocklist`, whose passwords nobody may set. The list "
        "that comes with the plugin holds beside them, and without this setting, except in "
        "`--dev`; `[]` is no list at all.",
    ] = None
    forbidden_words: Annotated[
        tuple[str, ...],
        "Names of your service and the like: no password may be one of them, and they make none "
        "stronger.",
    ] = ()
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
    mail: Annotated[MailSettings | None, "Mail to users; none by default."] = None
    dev: Annotated[bool, "The server runs with `--dev`; told by the server itself."] = False
    pages_url: Annotated[
        str | None, "Where the server has its pages; told by the server itself."
    ] = None

    def __post_init__(self) -> None:
        self._check_passwords()
        if self.phone_region is not None and self.phone_region not in phones.regions():
            raise ValueError("phoneRegion: wanted: a country of ISO 3166-1, such as FR")
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

    @property
    def weakest(self) -> int:
        """The score that a new password has at least."""
        if self.min_strength is not None:
            return self.min_strength
        return 0 if self.dev else strength.ENOUGH

    @property
    def lists(self) -> tuple[Blocklist, ...]:
        """The lists whose passwords nobody may set."""
        if not self.blocklists:
            return () if self.dev or self.blocklists is not None else (SHIPPED,)
        return (SHIPPED, *(Blocklist(Path(one)) for one in self.blocklists))

    @property
    def expected_refused(self) -> bool:
        """Whether names of the user and forbidden words are no passwords."""
        return not self.dev or bool(self.forbidden_words)

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

    def _check_passwords(self) -> None:
        if self.min_length is not None:
            _check("minLength", self.min_length, 0, passwords.LONGEST)
        if self.max_length is not None:
            _check("maxLength", self.max_length, passwords.ALWAYS_ACCEPTED, passwords.LONGEST)
            if self.max_length < self.shortest:
                raise ValueError(f"maxLength: wanted: no less than minLength, {self.shortest}")
        if self.min_strength is not None:
            _check("minStrength", self.min_strength, 0, strength.STRONGEST)
        for path in self.blocklists or ():
            try:
                Blocklist(Path(path)).header()
            except OSError as failure:
                raise ValueError(f"blocklists: {path}: {failure.strerror}") from None
            except Damaged as failure:
                raise ValueError(f"blocklists: {path} {failure}") from None


def _check(key: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{key}: wanted: from {least} to {most}")
