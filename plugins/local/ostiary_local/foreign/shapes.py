"""What a password hash of another system is made of."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Protocol


class UnknownHash(ValueError):
    """A hash cannot be taken over; the text says why, and holds nothing of the hash."""


class Recipe(Protocol):
    """How a system makes a value of a password: function, parameters and salt."""

    @property
    def scheme(self) -> str:
        """A name for reports, such as ``pbkdf2-sha256``."""
        ...

    @property
    def weak(self) -> bool:
        """Whether who has the value guesses cheaply: no salt, or nothing that takes time."""
        ...

    def digest(self, password: str) -> bytes:
        """Return the value that a password has."""
        ...

    def text(self, value: bytes | None) -> str:
        """Return what ``read`` reads: this recipe with a value, or without any."""
        ...


Reading = tuple[Recipe, bytes | None]
"""A recipe, and the value if the text had one."""


@dataclass(frozen=True, slots=True)
class Outline:
    """How a value is made, without the value: what is kept beside a wrapped hash."""

    recipe: Recipe = field(repr=False)

    @property
    def scheme(self) -> str:
        """The name of the function."""
        return self.recipe.scheme

    @property
    def text(self) -> str:
        """What ``parse_outline`` reads."""
        return self.recipe.text(None)

    def digest(self, password: str) -> bytes:
        """Return the value that a password has. It takes its time."""
        return self.recipe.digest(password)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A password hash of another system.

    :ivar value: what must come out for the right password; never empty.
    """

    recipe: Recipe = field(repr=False)
    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.value:
            raise UnknownHash("it has no value")

    @property
    def scheme(self) -> str:
        """The name of the function, for reports: ``bcrypt``, ``pbkdf2-sha256``."""
        return self.recipe.scheme

    @property
    def weak(self) -> bool:
        """Whether its holder guesses cheaply: no salt, or a function that takes no time."""
        return self.recipe.weak

    @property
    def text(self) -> str:
        """The text to store; ``parse`` makes the same of it. It is a secret."""
        return self.recipe.text(self.value)

    @property
    def outline(self) -> str:
        """The text without the value, for ``parse_outline``."""
        return self.recipe.text(None)

    def digest(self, password: str) -> bytes:
        """Return the value that a password has. It takes its time."""
        return self.recipe.digest(password)

    def matches(self, password: str) -> bool:
        """Tell whether it is the hash of a password, in a time that tells nothing of the value."""
        return hmac.compare_digest(self.digest(password), self.value)
