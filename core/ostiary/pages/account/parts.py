"""The parts of my account, each for who has a right to anything in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from msgspec import Struct

from ostiary.pages.declaring import Handler
from ostiary.pages.languages import mark
from ostiary.pages.visit import Visit
from ostiary.request import Answer

FORBIDDEN = 403


class Part(Struct, frozen=True):
    """A part, as the navigation shows it.

    :param label: English, marked for translation.
    :param needs: actions of the controller ``auth``; with the right to one of them there is
        something to see, and without any there is not. Nothing is needed for none.
    """

    path: str
    label: str
    needs: tuple[str, ...] = ()

    def is_open(self, visit: Visit) -> bool:
        """Tell whether who looks has the right to something in it."""
        return not self.needs or any(visit.may("auth", one) for one in self.needs)


PROFILE = Part("/-/account", mark("About me"))
CREDENTIALS = Part(
    "/-/account/credentials", mark("Ways to sign in"), ("getMyCredentials", "createMyCredentials")
)
SESSIONS = Part("/-/account/sessions", mark("Sessions"), ("getMySessions", "logout"))
KEYS = Part("/-/account/keys", mark("API keys"), ("searchApiKeys", "createApiKey"))
SIGN_INS = Part("/-/account/sign-ins", mark("Recent sign-ins"), ("getMySignIns",))

PARTS = (PROFILE, CREDENTIALS, SESSIONS, KEYS, SIGN_INS)


def draw(visit: Visit, template: str, status: int = 200, **values: Any) -> Answer:
    """Return a page of my account, with the navigation of its parts."""
    shown = [part for part in PARTS if part.is_open(visit)]
    return visit.page(template, status, parts=shown, **values)


def within(part: Part) -> Callable[[Handler], Handler]:
    """Have a page of a part say what is missing to who has no right to anything in it."""

    def guard(run: Handler) -> Handler:
        @wraps(run)
        async def guarded(visit: Visit) -> Answer:
            if part.is_open(visit):
                return await run(visit)
            return draw(visit, "account/closed.html", FORBIDDEN, part=part)

        return guarded

    return guard
