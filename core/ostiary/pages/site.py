"""The pages of one process: finds the one that is asked for, and who may see it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

from ostiary import errors
from ostiary.body import acceptable
from ostiary.log import origin
from ostiary.pages import (
    account,
    arriving,
    console,
    outlived,
    setup,
    sign_in,
    speaking,
    static,
    strategy_forms,
)
from ostiary.pages.behind import Behind
from ostiary.pages.declaring import Page
from ostiary.pages.fields import form_fields, query_fields
from ostiary.pages.forms import FIELD, Forms
from ostiary.pages.languages import wanted
from ostiary.pages.notices import NOTICES
from ostiary.pages.problems import WITHHELD, Refused
from ostiary.pages.rendering import draw
from ostiary.pages.theme import Theme
from ostiary.pages.visit import Visit
from ostiary.pages.wording import explained
from ostiary.request import Answer, Connection, Request
from ostiary.routes import Routes

logger = logging.getLogger(__name__)

PUBLIC = (sign_in, arriving, strategy_forms, *account.MODULES, setup, speaking)
"""The modules of pages that every server has; those of the console are its own affair."""

FORBIDDEN, MISSING, FAILED, SEE_OTHER = 403, 404, 500, 303

HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Without any referrer browsers would not say either whose page sends a form.
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Site:
    """Answers requests for pages.

    :ivar behind: the server, as far as pages may see it.
    """

    def __init__(self, behind: Behind) -> None:
        self.behind, settings, cookies = behind, behind.settings, behind.cookies
        self._forms, self._theme = Forms(behind.key, cookies, behind.origins), Theme(settings)
        modules = (*PUBLIC, *(console.MODULES if settings.console else ()))
        self.sections = tuple(one.pages.section for one in modules if one.pages.section is not None)
        self._routes = Routes([page for one in modules for page in one.pages])

    async def answer(
        self, verb: str, path: bytes, query: bytes, content: Any, request: Request
    ) -> Answer:
        """Return a page, or the page that says why there is none."""
        if verb == "HEAD":
            # The server leaves the content away (RFC 9110, 9.3.2).
            verb = "GET"
        if path.startswith(static.PATH.encode()) and verb == "GET":
            name = path.decode("latin-1").removeprefix(static.PATH)
            version = query_fields(query).text("v")
            file = static.served(name, version) or self._theme.served(name, version)
            if file is not None:
                return file
        visit = self._visit(verb, path, query, content, request)
        try:
            page, visit.values = self._found(verb, path)
            return await self._shown(visit, page)
        except Refused as refused:
            return self._problem(visit, refused.status, explained(visit, refused))
        except errors.UrlNotFound:
            return self._problem(visit, MISSING, visit.say("There is no such page."))
        except errors.OstiaryError as error:
            return self._problem(visit, error.status, explained(visit, Refused.of(error)))
        except Exception as error:  # noqa: BLE001 - as of the dispatcher: nothing may pass
            logger.error("page %s failed: %s", request.id, origin(error))  # noqa: TRY400
            sorry = visit.say("Something went wrong here. The log of the server tells more.")
            return self._problem(visit, FAILED, sorry)

    def explain(
        self, error: errors.OstiaryError, verb: str, path: bytes, request: Request
    ) -> Answer:
        """Return the page that says why a request could not be read.

        Who has sent it is not asked: what its headers say may be as broken as the rest.
        """
        visit = self._visit(verb, path, b"", None, request)
        answer = self._problem(visit, error.status, explained(visit, Refused.of(error)))
        if error.retry_after is not None:
            answer.headers = {**answer.headers, "retry-after": str(error.retry_after)}
        return answer

    def page(self, visit: Visit, template: str, status: int, values: Mapping[str, Any]) -> Answer:
        """Return a page, drawn from a template."""
        token, cookie = self._forms.token_for(visit.connection, visit.token)
        if cookie is not None:
            visit.cookies.append(cookie)
        notice = NOTICES.get(visit.query.text("done"))
        given = {
            "visit": visit,
            "me": visit.me,
            "may": visit.may_run,
            "name": self.behind.settings.name,
            "theme": self._theme,
            "language": visit.language,
            "way_back": self.way_back(visit),
            "sections": [one for one in self.sections if visit.may_run(one.needs)],
            "notice": None if notice is None else visit.say(notice),
            "form_token": token,
            "explained": partial(explained, visit),
            **values,
        }
        drawn = draw(visit.language, self.behind.packages, template, given)
        return Answer(status, drawn.encode(), HEADERS, tuple(visit.cookies), shared=False)

    def redirect(self, visit: Visit, path: str) -> Answer:
        """Send the browser to a page of ours; a script of htmx is told so by its own header."""
        if visit.by_htmx:
            return Answer(
                200, b"", {**HEADERS, "hx-redirect": path}, tuple(visit.cookies), shared=False
            )
        return Answer(
            SEE_OTHER, b"", {**HEADERS, "location": path}, tuple(visit.cookies), shared=False
        )

    def way_back(self, visit: Visit) -> str:
        """Return where a form that stands on every page leads back to."""
        try:
            self._routes.find("GET", visit.path.encode("latin-1"))
        except errors.OstiaryError:
            return "/"
        # What a provider has sent a browser back with is good for once.
        if visit.verb != "GET" or "state" in visit.query:
            return visit.path
        return _address(visit, without="done")

    def _visit(self, verb: str, path: bytes, query: bytes, content: Any, request: Request) -> Visit:
        return Visit(
            self,
            request,
            verb=verb,
            path=path.decode("latin-1"),
            query=query_fields(query),
            form=form_fields(verb, content, request.connection),
            language=wanted(
                request.connection.header("accept-language"),
                self.behind.cookies.language_of(request.connection),
            ),
            token=self._token(request.connection),
        )

    def _found(self, verb: str, path: bytes) -> tuple[Page, Mapping[str, str]]:
        page, values = self._routes.find(verb, path)
        if not all(map(acceptable, values.values())):
            raise errors.UnacceptableText
        return page, values

    def _token(self, connection: Connection) -> str | None:
        try:
            return self.behind.cookies.session_of(connection)
        except errors.CookieInvalid:
            return None

    async def _shown(self, visit: Visit, page: Page) -> Answer:
        """Return a page to who may see it."""
        if visit.token is None and not page.arrival and _comes_from_elsewhere(visit):
            return visit.page("reload.html", here=_address(visit))
        await visit.open()
        if visit.verb == "POST":
            if not self._is_ours(visit):
                return self._problem(visit, FORBIDDEN, self._unheard(visit))
            if not self._forms.is_of(visit.connection, visit.token, visit.form.text(FIELD)):
                return await self._outlived(visit, page)
        if page.public or self._is_for(visit, page):
            return await page.run(visit)
        return await self._withheld(visit, page)

    async def _withheld(self, visit: Visit, page: Page) -> Answer:
        """Answer who may not see a page."""
        if visit.me is not None:
            return self._problem(visit, FORBIDDEN, visit.say(WITHHELD))
        if visit.verb == "POST":
            # It is nobody's, as what keeps a form is that is sent too early: it goes on being kept.
            return await self._outlived(visit, page)
        return visit.redirect(f"/?{urlencode({'then': _then(visit)})}")

    def _unheard(self, visit: Visit) -> str:
        """Return why a form is not heard."""
        url = self.behind.origins.reached_elsewhere(visit.connection)
        if url is not None:
            return visit.say("This server is to be reached at {0}; forms work there alone.", url)
        return visit.say(
            "This form is too old, or was not sent from this page. Go back, reload the page and try again."
        )

    def _is_ours(self, visit: Visit) -> bool:
        return visit.connection.sends_form and self._forms.is_ours(
            visit.connection, visit.form.text(FIELD)
        )

    async def _outlived(self, visit: Visit, page: Page) -> Answer:
        """Have what was typed sent again, once it is clear who sends it: its session is over."""
        if page.public:
            return self._problem(visit, FORBIDDEN, self._unheard(visit))
        if visit.by_htmx:
            return self._problem(visit, FORBIDDEN, outlived.told(visit))
        return await outlived.offer(visit)

    def _is_for(self, visit: Visit, page: Page) -> bool:
        return visit.me is not None if page.needs is None else visit.may_run(page.needs)

    def _problem(self, visit: Visit, status: int, text: str) -> Answer:
        if not visit.by_htmx:
            return visit.page("problem.html", status, text=text)
        answer = visit.page("problem_part.html", status, text=text)
        # It is put into what the script has asked for: the next answer finds its place still there.
        answer.headers = {**HEADERS, "hx-reswap": "innerHTML", "hx-reselect": "[role=alert]"}
        return answer


def _comes_from_elsewhere(visit: Visit) -> bool:
    """Tell whether another site has led a browser here: it keeps the cookie of the session back.

    The page reloads itself; then it is this site that leads here (RFC 6265bis, 5.2).
    """
    return visit.verb == "GET" and visit.connection.header("sec-fetch-site") == "cross-site"


def _address(visit: Visit, *, without: str = "") -> str:
    """Return the address that was asked for, without a field of its query."""
    pairs = [(name, one) for name in visit.query for one in visit.query.all(name)]
    query = urlencode([pair for pair in pairs if pair[0] != without])
    return f"{visit.path}?{query}" if query else visit.path


def _then(visit: Visit) -> str:
    """Return where to go on after signing in; a form that was sent would have to be sent again."""
    if visit.by_htmx and (shown := visit.connection.header("hx-current-url")) is not None:
        # What a script asks for is a part of a page. What stands here is looked at again on arrival.
        try:
            return urlsplit(shown)._replace(scheme="", netloc="", fragment="").geturl()
        except ValueError:
            return "/-/account"
    return _address(visit, without="done") if visit.verb == "GET" else "/-/account"
