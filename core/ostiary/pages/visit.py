"""One request of a page: who looks at it, what they may do, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary import errors
from ostiary.pages.client import Client
from ostiary.pages.fields import Fields
from ostiary.pages.languages import said
from ostiary.pages.problems import Refused
from ostiary.request import Answer, Request

if TYPE_CHECKING:
    from ostiary.pages.site import Site
    from ostiary.services.accounts import Account

DECODER = msgspec.json.Decoder()
FORBIDDEN = 403
ENDED = "security.token."
"""How the ids of errors begin that say that a session is over."""


class Told(msgspec.Struct, frozen=True):
    """What the server has answered.

    :ivar signed_in: the answer has opened a session, which the browser keeps.
    """

    status: int
    result: Any
    signed_in: bool


class Visit:
    """One request of a page.

    :ivar query: of the address.
    :ivar form: the fields that were sent; empty for a page that is only looked at.
    :ivar values: what stands in the path, by name.
    :ivar token: of the session in the cookie; None if nobody is signed in.
    :ivar me: who is signed in, as ``auth:getCurrentUser`` tells it; None if nobody is.
    :ivar language: of the texts.
    :ivar cookies: what the browser is to keep, as values of ``Set-Cookie``.
    """

    def __init__(
        self,
        site: Site,
        request: Request,
        *,
        verb: str,
        path: str,
        query: Fields,
        form: Fields,
        language: str,
        token: str | None,
    ) -> None:
        self.site, self.verb, self.path = site, verb, path
        self.query, self.form, self.language, self.token = query, form, language, token
        self.connection = request.connection
        self.values: Mapping[str, str] = {}
        self.me: dict[str, Any] | None = None
        self.cookies: list[str] = []
        self._client = Client(site.behind, request.connection, request.id)
        self._account: Account | None = None
        self._stranger: Account | None = None
        self._strategies: list[dict[str, Any]] | None = None

    @property
    def by_htmx(self) -> bool:
        """A script of the page asks, for a part of it."""
        return self.connection.header("hx-request") == "true"

    @property
    def fields(self) -> Fields:
        """What the form says that was sent; of a page that is looked at, the query."""
        return self.form if self.verb == "POST" else self.query

    @property
    def called(self) -> str:
        """What to call who is signed in."""
        me = self.me or {}
        return str(me.get("_source", {}).get("name") or me.get("_id", ""))

    async def open(self) -> None:
        """Find out who is signed in, and what they may do."""
        if self.token is not None:
            try:
                self.me = await self.call("auth", "getCurrentUser")
            except Refused as refused:
                if refused.id.startswith(ENDED):
                    self.forget()
                elif refused.status != FORBIDDEN:
                    raise
                else:
                    self.me = {}
        try:
            self._account = await self._client.account_of(self.token)
        except errors.TokenInvalid:
            # It has ended just now.
            self.forget()
        self._stranger = self._account
        if self.token is not None or self._account is None:
            self._stranger = await self._nobody()
            self._account = self._account or self._stranger

    async def _nobody(self) -> Account | None:
        """Return who has not signed in; None if such are not answered, and somebody has."""
        try:
            return await self._client.account_of(None)
        except errors.Failsafe:
            if self._account is None:
                raise
            return None

    def forget(self) -> None:
        """Have the browser forget a session that is over."""
        self.token, self.me = None, None
        self.cookies.append(self.site.behind.cookies.no_session())

    def keep(self, jwt: str, expires_at: int) -> None:
        """Have the browser keep a session that an action has opened by itself, as a login does.

        :param expires_at: in ms; -1 is never.
        """
        self.token = jwt
        self.cookies.append(
            self.site.behind.cookies.session(jwt, None if expires_at < 0 else expires_at)
        )

    def may(self, controller: str, action: str, **args: Any) -> bool:
        """Tell whether who looks has the right to an action."""
        return self._client.allows(self._account, controller, action, args, self.token)

    def stranger_may(self, controller: str, action: str) -> bool:
        """Tell the same of who has not signed in."""
        return self._client.allows(self._stranger, controller, action, {}, None)

    def may_run(self, name: str) -> bool:
        """Tell the same of an action as it is written: ``security:searchUsers``.

        :param name: may be several with blanks between them; the right to one of them is enough.
        """
        return any(self.may(*one.rsplit(":", 1)) for one in name.split())

    async def call(self, controller: str, action: str, body: Any = None, **args: Any) -> Any:
        """Run an action of the API and return its result.

        :param args: arguments by their names on the wire; ``None`` is not given.
        :raises Refused: the server has refused.
        """
        return (await self.ask(controller, action, body, **args)).result

    async def ask(
        self,
        controller: str,
        action: str,
        body: Any = None,
        *,
        also: Mapping[bytes, bytes] | None = None,
        as_stranger: bool = False,
        **args: Any,
    ) -> Told:
        """Run an action of the API and return what is answered.

        :param also: further headers, in lower case, that a client would send.
        :param as_stranger: whoever is signed in asks as if they were not.
        :raises Refused: the server has refused.
        """
        given = {name: value for name, value in args.items() if value is not None}
        jwt = None if as_stranger else self.token
        answer = await self._client.answer(controller, action, given, body, jwt, also or {})
        signed_in = self._keep(answer.cookies)
        told = DECODER.decode(answer.body)
        if told["error"] is not None:
            raise Refused(answer.status, told["error"], answer.headers)
        return Told(answer.status, told["result"], signed_in)

    async def strategies(self) -> list[dict[str, Any]]:
        """Return the strategies that are installed, as ``auth:describeStrategies`` describes them.

        What is offered to sign in by is shown to everybody, whatever they may ask the API.
        """
        if self._strategies is None:
            self._strategies = await self.site.behind.strategies()
        return self._strategies

    def say(self, text: str, *values: object) -> str:
        """Return a text in the language of who reads it; ``{0}``, ``{1}`` become the values."""
        translated = said(self.language, self.site.behind.packages, text)
        return translated.format(*values) if values else translated

    def page(self, template: str, status: int = 200, **values: Any) -> Answer:
        """Return a page, drawn from a template."""
        return self.site.page(self, template, status, values)

    def redirect(self, path: str, done: str | None = None) -> Answer:
        """Send the browser on to another page of ours.

        :param done: what has just been done, as ``notices.NOTICES`` has it; told at the top.
        """
        if done is not None:
            path += f"{'&' if '?' in path else '?'}done={done}"
        return self.site.redirect(self, path)

    def _keep(self, cookies: tuple[str, ...]) -> bool:
        """Have the browser keep cookies; tell whether that of a session is among them."""
        self.cookies.extend(cookies)
        tokens = [token for one in cookies if (token := self.site.behind.cookies.token_in(one))]
        if tokens:
            self.token = tokens[-1]
        return bool(tokens)
