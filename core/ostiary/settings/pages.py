"""The settings of the pages for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from ostiary.settings.colors import Colors
from ostiary.settings.kinds import File, Text


@dataclass(frozen=True, kw_only=True)
class Pages:
    """The pages for people: signing in, one's own account, and the console."""

    enabled: Annotated[
        bool,
        "Serve pages. They keep sessions in cookies, so without http.cookieAuthentication none.",
    ] = True
    console: Annotated[
        bool, "Serve the console to who administers the server; --no-console leaves it out."
    ] = True
    name: Annotated[Text, "What the pages call this server."] = "Ostiary"
    logo: Annotated[
        File, "A picture that pages show beside the name: SVG, PNG, WebP or JPEG, at most 32 kB."
    ] = None
    strategies: Annotated[
        tuple[Text, ...],
        "Strategies in the order in which they are offered to who signs in; others follow them. "
        "One with a - before its name is not offered, although it can be used.",
    ] = ()
    colors: Annotated[Colors, "Colours of the pages."] = field(default_factory=Colors)

    def __post_init__(self) -> None:
        """Refuse an order in which one strategy has two places."""
        names = [one.removeprefix("-") for one in self.strategies]
        if twice := [one for one in names if names.count(one) > 1]:
            raise ValueError(f"strategies: {twice[0]} stands there twice")
