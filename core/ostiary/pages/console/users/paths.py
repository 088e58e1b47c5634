"""Where the pages of users are."""

from __future__ import annotations

from ostiary.pages.rendering import segment

LIST = "/-/console/users"
ONE = f"{LIST}/{{id}}"
CREDENTIALS = f"{ONE}/credentials/{{strategy}}"

NEW = "/-/console/new-user"
SEVERAL = "/-/console/several-users"
"""Beside the list: below it everything is a kuid."""


def address_of(kuid: str) -> str:
    """Return where the page of a user is."""
    return f"{LIST}/{segment(kuid)}"
