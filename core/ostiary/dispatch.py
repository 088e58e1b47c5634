"""The path of every request: authenticate, authorize, limit, find, run, answer.

Rights are checked by name before the action is looked up: who has no right to
it learns nothing about it. This is the only place that catches everything.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from ostiary import audit, body, errors
from ostiary.acting import acting
from ostiary.actions import Action, Registry
from ostiary.identity import WANTED, read_cookie
from ostiary.log import origin
from ostiary.origins import Origins
from ostiary.request import ANONYMOUS, Answer, Reply, Request, Response
from ostiary.services import Services
from ostiary.services.accounts import Account
from ostiary.services.sessions import Session
from ostiary.storage import budget

logger = logging.getLogger(__name__)

LOGIN = "login"
"""The action that waits for hashes: of the room for requests it may use half, and no more."""

SETUP_HEADER = "x-ostiary-setup"
SETUP_ACTION = ("security", "createFirstAdmin")
# The least major version of each SDK that speaks this API (contract, 4.4).
SDK_MAJORS = {"js": 7, "csharp": 2, "cpp": 2, "java": 3, "android": 5, "go": 3, "php": 4}
NO_HEADERS: Mapping[str, str] = {}
ENCODER = msgspec.json.Encoder()


class Dispatcher:
    """Answers requests, whatever protocol they came by."""

    def __init__(
        self,
        registry: Registry,
        services: Services,
        *,
        node: str,
        setup_secret: str,
        capacity: int,
        origins: Origins,
    ) -> None:
        self._registry, self._services, self.node = registry, services, node
        self._setup_secret = setup_secret.encode()
        self._capacity, self._running, self._logins = capacity, 0, 0
        self._origins, self._tally = origins, services.tally
        self._given = {"services": services}
        self._noted = frozenset(action for action in registry if audit.is_noted(action))
        self._noted_names = {(action.controller, action.name) for action in self._noted}

    @property
    def running(self) -> int:
        """How many requests are being worked on."""
        return self._running

    async def answer(self, request: Request, *, room: bool = False) -> Answer:
        """Run a request and encode its response.

        :param room: repeat the request's id as ``room``, by which WebSocket clients find it.
        """
        login = request.action == LOGIN
        if self._running >= self._capacity or (login and self._logins >= self._capacity // 2):
            return self.refuse(errors.Overloaded(retry_after=1), request, room=room)
        tally, timing = self._tally, None
        tally.left = left = tally.left - 1
        if login or not left:
            # Few are timed, but every login.
            timing = tally.begin(login=login)
            self._logins += login
        self._running += 1
        budget.begin()
        try:
            return self._render(request, await self._run(request), room=room)
        except errors.OstiaryError as error:
            if (request.controller, request.action) in self._noted_names:
                await self._note_refusal(request, error)
            return self._refused(error, request, room=room)
        except Exception as error:  # noqa: BLE001 - the only place where nothing may pass
            logger.error("request %s failed: %s", request.id, origin(error))  # noqa: TRY400
            return self._refused(errors.UnexpectedError("see the log"), request, room=room)
        finally:
            self._running -= 1
            if timing is not None:
                self._logins -= login
                tally.end(timing)

    async def account_of(self, request: Request) -> Account:
        """Return who asks, without running anything: what they may do is asked of their rights.

        :raises errors.TokenInvalid: nobody does any more.
        """
        if self._services.changes.pending():
            await self._services.changes.catch_up()
        return self._known(request) or await self._authenticate(request)

    def refuse(self, error: errors.OstiaryError, request: Request, *, room: bool = False) -> Answer:
        """Encode the response of an error to a request that nothing else is done for."""
        self._tally.turn_away()
        return self._refused(error, request, room=room)

    def greet(self, request: Request, result: Any = None) -> Answer:
        """Encode a response that no action gives: health, and what comes before routing."""
        return self._encode(request, 200, None, result, NO_HEADERS)

    def put_off(self, request: Request) -> Answer:
        """Encode the response to who asks whether the server is ready, when it is not."""
        return self._told(errors.Overloaded(retry_after=1), request)

    async def _run(self, request: Request) -> Any:
        if request.args or not request.controller or not request.action:
            _check_members(request)
        if self._origins.checked:
            self._origins.admit(request)
        services = self._services
        if services.changes.pending():
            await services.changes.catch_up()
        if b"cookie" in request.connection.headers or (request.args and WANTED in request.args):
            await read_cookie(request, services, self._origins)
        account = self._known(request) or await self._authenticate(request)
        if not (account.rights.allow(request) or request.leaving or await self._sets_up(request)):
            missing = errors.RightsMissing if request.session else errors.AuthenticationRequired
            raise missing(request.controller, request.action, request.kuid)
        services.limits.count(request, account)
        action = self._registry.find(request.controller, request.action)
        if request.volatile is not None:
            _check_sdk(request.volatile)
        if action.signed_in and request.session is None:
            raise errors.AuthenticationRequired(action.controller, action.name, ANONYMOUS)
        if action.strict and request.raw_body:
            body.refuse_duplicates(request.raw_body)
        if action in self._noted:
            return await self._run_noted(action, request)
        return await action.run(request, self._given)

    async def _run_noted(self, action: Action, request: Request) -> Any:
        """Run an action, and see that an event tells of it."""
        with acting(audit.source_of(request)) as source:
            value = await action.run(request, self._given)
            if not source.told:
                await self._services.events.emit(audit.run(request, value))
        return value

    async def _note_refusal(self, request: Request, error: errors.OstiaryError) -> None:
        with acting(audit.source_of(request)):
            await self._services.refusals.of_action(
                error, audit.name_of(request), audit.target_of(request)
            )

    def _known(self, request: Request) -> Account | None:
        """Return who asks, if that is remembered."""
        services = self._services
        if request.jwt is None:
            return services.accounts.peek(ANONYMOUS)
        session = services.tokens.peek(request.jwt)
        return None if session is None else self._admit(request, session)

    async def _authenticate(self, request: Request) -> Account:
        """Return who asks; a token that is there but wrong never means anonymous (TOK-28)."""
        services = self._services
        if request.jwt is not None:
            return self._admit(request, await services.tokens.find(request.jwt))
        account = await services.accounts.find(ANONYMOUS)
        assert account is not None
        return account

    def _admit(self, request: Request, session: Session) -> Account:
        request.session = session
        if (socket := request.connection.socket) is not None:
            self._services.connections.tie(socket, session)
        return session.account

    async def _sets_up(self, request: Request) -> bool:
        """Tell whether the setup secret lets this request make the first administrator."""
        given = request.connection.header(SETUP_HEADER)
        if given is None or (request.controller, request.action) != SETUP_ACTION:
            return False
        return (
            hmac.compare_digest(given.encode(errors="replace"), self._setup_secret)
            and not await self._services.users.admin_exists()
        )

    def _refused(
        self, error: errors.OstiaryError, request: Request, *, room: bool = False
    ) -> Answer:
        """Encode the response of an error."""
        self._tally.refuse(error.status)
        return self._told(error, request, room=room)

    def _told(self, error: errors.OstiaryError, request: Request, *, room: bool = False) -> Answer:
        headers = error.headers
        if error.retry_after is not None:
            headers = {**headers, "retry-after": str(error.retry_after)}
        return self._encode(request, error.status, error.to_json(), None, headers, room=room)

    def _render(self, request: Request, value: Any, *, room: bool) -> Answer:
        """Encode what an action returned."""
        if not isinstance(value, Reply):
            return self._encode(request, 200, None, value, NO_HEADERS, room=room)
        self._tally.refuse(value.status)
        if value.raw and not room:
            return Answer(value.status, ENCODER.encode(value.value), value.headers)
        error = None if value.error is None else value.error.to_json()
        answer = self._encode(request, value.status, error, value.value, value.headers, room=room)
        answer.cookies = value.cookies
        return answer

    def _encode(
        self,
        request: Request,
        status: int,
        error: dict[str, Any] | None,
        result: Any,
        headers: Mapping[str, str],
        *,
        room: bool = False,
    ) -> Answer:
        response = Response(
            status,
            error,
            result,
            request.controller or None,
            request.action or None,
            request.id,
            request.volatile,
            self.node,
            headers,
        )
        if request.args:
            response.index = request.args.get("index", msgspec.UNSET)
            response.collection = request.args.get("collection", msgspec.UNSET)
        if room:
            response.room = request.id
        return Answer(status, ENCODER.encode(response), headers)


def _check_members(request: Request) -> None:
    for name, given in (("controller", request.controller), ("action", request.action)):
        if not given:
            raise errors.MissingArgument(name)
    if request.args.get("targets"):
        for name in ("index", "collection"):
            if request.args.get(name):
                raise errors.MutuallyExclusive("targets", name)


def _check_sdk(volatile: Mapping[str, Any]) -> None:
    if "sdkVersion" in volatile:
        raise errors.IncompatibleSdk(str(volatile["sdkVersion"]), "the versions of Kuzzle 2")
    name = volatile.get("sdkName")
    if not isinstance(name, str):
        return
    sdk, _, version = name.partition("@")
    wanted = SDK_MAJORS.get(sdk)
    major = version[:1]
    if wanted is not None and (not major.isdecimal() or int(major) < wanted):
        raise errors.IncompatibleSdk(name, f"{sdk} >= {wanted}")
