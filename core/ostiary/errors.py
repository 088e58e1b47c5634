"""Every error that the server can answer with, declared once.

Raise an error with the values that its message asks for::

    raise errors.TokenInvalid
    raise errors.MissingArgument("body.username")

A code spells the domain, the family within it and the error: ``0x07_01_0001``.
The envelope, the OpenAPI document and the error reference all read
``CATALOGUE``, so a client never meets an error that is not declared here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Self

LONGEST_VALUE = 1024
"""Characters of a value that an error repeats."""

CATALOGUE: dict[str, type[OstiaryError]] = {}


class OstiaryError(Exception):
    """An error that is shown to the client.

    :param props: the values of the message; they travel beside it.
    :param retry_after: seconds after which the same request may succeed (RFC 9110, 10.2.3).
    :param extra: members that the JSON form of this one error has besides the usual.
    :ivar headers: those of the answer that come with this one error, in lower case.
    :ivar noted: the audit log tells of it already.
    :ivar about: the kuid of the user whom it concerns, where the request does not name them.
    """

    noted = False
    about: str | None = None

    status: ClassVar[int]
    id: ClassVar[str]
    code: ClassVar[int]
    message: ClassVar[str]

    def __init__(self, *props: object, retry_after: int | None = None, **extra: Any) -> None:
        self.props = [_sendable(str(prop)) for prop in props]
        self.retry_after = retry_after
        self.extra = extra
        self.headers: Mapping[str, str] = {}
        super().__init__(self.message.format(*self.props))

    @classmethod
    def declare(cls, id: str, code: int, message: str) -> type[Self]:
        """Return a new error of this status.

        :raises DeclaredTwice: the id or the code is not free.
        """
        for known in CATALOGUE.values():
            if id == known.id or code == known.code:
                raise DeclaredTwice(id, code, known)
        module = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 - as namedtuple does
        members = {"id": id, "code": code, "message": message, "__module__": module}
        error = type(id, (cls,), members)
        CATALOGUE[id] = error
        return error

    def to_json(self) -> dict[str, Any]:
        """Return the ``error`` member of an answer."""
        return {
            "id": self.id,
            "code": self.code,
            "status": self.status,
            "message": str(self),
            "props": self.props,
            **self.extra,
        }


class DeclaredTwice(ValueError):
    """Two errors have the same id or code.

    :ivar other: the one that was first; its ``__module__`` declares it.
    """

    def __init__(self, id: str, code: int, other: type[OstiaryError]) -> None:
        self.other = other
        super().__init__(f"the error {id!r} has the id or the code ({code:#010x}) of {other.id!r}")


def _sendable(value: str) -> str:
    """Return a value without lone surrogates, which JSON cannot hold, and not too long to read."""
    text = value.encode(errors="replace").decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


class PartialError(OstiaryError):
    """Some of what was asked for is done, and some is not; ``errors`` tells what."""

    status = 206


class BadRequestError(OstiaryError):
    """The request is wrong, and would be wrong again."""

    status = 400


class UnauthorizedError(OstiaryError):
    """Nobody is known to ask."""

    status = 401


class LoginRefusal(UnauthorizedError):
    """Somebody is not let in.

    What is told only here, the server keeps: it stands in no answer and no text of the error.

    :param props: of ``LoginRefused`` the sentence that the client is told: the strategy's
        ``refusal``.
    :param kuid: whose account it is, if that is known.
    :param reason: why, in a few words, for who reads the audit log; nothing secret.
    :param proved: the secret was right, and something else is wrong: it is no failed attempt.
    :param www_authenticate: a challenge of HTTP, such as ``Negotiate``, which becomes a header of
        the answer (RFC 9110, 11.6.1).
    :param extra: see ``OstiaryError``.
    """

    def __init__(
        self,
        *props: object,
        kuid: str | None = None,
        reason: str | None = None,
        proved: bool = False,
        www_authenticate: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(*props, **extra)
        self.kuid, self.reason, self.proved = kuid, reason, proved
        if www_authenticate is not None:
            if not (www_authenticate.isascii() and www_authenticate.isprintable()):
                raise ValueError("www_authenticate is no value of a header")
            self.headers = {"www-authenticate": www_authenticate}


class ForbiddenError(OstiaryError):
    """Whoever asks is known, and may not."""

    status = 403


class NotFoundError(OstiaryError):
    """What the request names does not exist."""

    status = 404


class PreconditionError(OstiaryError):
    """The state of what the request names does not allow it."""

    status = 412


class SizeLimitError(OstiaryError):
    """Too much was sent or asked for."""

    status = 413


class TooManyRequestsError(OstiaryError):
    """A limit of this caller is reached; see ``Retry-After``."""

    status = 429


class InternalError(OstiaryError):
    """The server is at fault."""

    status = 500


class ExternalServiceError(OstiaryError):
    """Something that the server depends on is at fault."""

    status = 500


class PluginImplementationError(OstiaryError):
    """A plugin is at fault."""

    status = 500


class PluginTimeoutError(PluginImplementationError):
    """A plugin did not answer in time."""

    status = 504


class ServiceUnavailableError(OstiaryError):
    """The server cannot answer now; see ``Retry-After``."""

    status = 503


# fmt: off

# core
UnexpectedError = InternalError.declare("core.fatal.unexpected_error", 0x00_00_0001, "Unexpected error: {0}.")
ServiceUnavailable = ExternalServiceError.declare("core.fatal.service_unavailable", 0x00_00_0002, "A service is unavailable: {0}.")

# core.realtime
RoomNotFound = NotFoundError.declare("core.realtime.room_not_found", 0x00_01_0001, 'Room "{0}" does not exist.')
InvalidScope = BadRequestError.declare("core.realtime.invalid_scope", 0x00_01_0004, 'Argument "scope" is invalid.')
InvalidUsers = BadRequestError.declare("core.realtime.invalid_users", 0x00_01_0005, 'Argument "users" is invalid.')
NotSubscribed = PreconditionError.declare("core.realtime.not_subscribed", 0x00_01_0008, 'User "{0}" is not subscribed to "{1}".')

# services.storage
UnknownIndex = PreconditionError.declare("services.storage.unknown_index", 0x01_01_0001, 'No index "{0}".')
UnknownCollection = PreconditionError.declare("services.storage.unknown_collection", 0x01_01_0002, 'Index "{0}" has no collection "{1}".')
GetLimitExceeded = SizeLimitError.declare("services.storage.get_limit_exceeded", 0x01_01_0003, "More documents are asked for than limits.documentsFetchCount.")
WriteLimitExceeded = SizeLimitError.declare("services.storage.write_limit_exceeded", 0x01_01_0004, "More documents are written than limits.documentsWriteCount.")
IncompleteDelete = PartialError.declare("services.storage.incomplete_delete", 0x01_01_0009, "Not everything could be deleted.")
DocumentNotFound = NotFoundError.declare("services.storage.not_found", 0x01_01_000B, 'No document "{0}" in "{1}":"{2}".')
UnknownScrollId = NotFoundError.declare("services.storage.unknown_scroll_id", 0x01_01_000E, "The scroll id is unknown or has expired.")
SearchAsAnId = BadRequestError.declare("services.storage.search_as_an_id", 0x01_01_000F, '"_search" cannot be an id.')
DocumentExists = BadRequestError.declare("services.storage.document_already_exists", 0x01_01_0011, "The document already exists.")
InvalidMapping = BadRequestError.declare("services.storage.invalid_mapping", 0x01_01_0015, 'Mapping property "{0}" is invalid.{1}')
CannotChangeMapping = BadRequestError.declare("services.storage.cannot_change_mapping", 0x01_01_001A, 'The mapping of "{0}" cannot change.')
InvalidMappingType = BadRequestError.declare("services.storage.invalid_mapping_type", 0x01_01_001D, 'Field "{0}": no data type "{1}".')
InvalidSearchQuery = BadRequestError.declare("services.storage.invalid_search_query", 0x01_01_0028, '"{0}" is not allowed at this level of a search.')
ScrollTooLong = BadRequestError.declare("services.storage.scroll_duration_too_great", 0x01_01_002C, 'Scroll duration "{0}" is too long.')
UnknownQueryKeyword = BadRequestError.declare("services.storage.unknown_query_keyword", 0x01_01_002D, '"{0}" is not a query keyword; is this Koncorde?')
InvalidQueryKeyword = BadRequestError.declare("services.storage.invalid_query_keyword", 0x01_01_002F, 'Keyword "{0}" is not allowed here.')

# services.cache
CacheNotFound = NotFoundError.declare("services.cache.database_not_found", 0x01_03_0001, 'No cache database "{0}".')

# services.koncorde
FilterNotTranslated = BadRequestError.declare("services.koncorde.elastic_translation_error", 0x01_05_0001, "The filter could not be translated: {0}.")

# api.assert
InvalidType = BadRequestError.declare("api.assert.invalid_type", 0x02_01_0001, 'Argument "{0}" has the wrong type, {1} wanted.')
InvalidArgument = BadRequestError.declare("api.assert.invalid_argument", 0x02_01_0002, 'Argument "{0}" is invalid, wanted: {1}.')
MissingArgument = BadRequestError.declare("api.assert.missing_argument", 0x02_01_0003, 'Argument "{0}" is missing.')
EmptyArgument = BadRequestError.declare("api.assert.empty_argument", 0x02_01_0004, 'Argument "{0}" is empty.')
MutuallyExclusive = BadRequestError.declare("api.assert.mutually_exclusive", 0x02_01_0005, 'Arguments "{0}" and "{1}" exclude each other.')
UnexpectedArgument = BadRequestError.declare("api.assert.unexpected_argument", 0x02_01_0007, 'Unexpected argument "{0}", expected: {1}.')
BodyRequired = BadRequestError.declare("api.assert.body_required", 0x02_01_0008, "This request needs a body.")
ForbiddenArgument = BadRequestError.declare("api.assert.forbidden_argument", 0x02_01_000B, 'Argument "{0}" may not be given to this action.')
KoncordeRestrictedKeyword = BadRequestError.declare("api.assert.koncorde_restricted_keyword", 0x02_01_000D, 'The {0} "{1}" is not allowed in a filter.')
UnsupportedProtocol = BadRequestError.declare("api.assert.unsupported_protocol", 0x02_01_0010, 'Protocol "{0}" does not support action "{1}".')

# api.process
ActionLocked = PreconditionError.declare("api.process.action_locked", 0x02_02_0001, '"{0}" is already running.')
Overloaded = ServiceUnavailableError.declare("api.process.overloaded", 0x02_02_0002, "The server is overloaded; the request was dropped.")
ControllerNotFound = NotFoundError.declare("api.process.controller_not_found", 0x02_02_0004, 'No controller "{0}".')
ActionNotFound = NotFoundError.declare("api.process.action_not_found", 0x02_02_0005, 'No action "{0}":"{1}".')
IncompatibleSdk = BadRequestError.declare("api.process.incompatible_sdk_version", 0x02_02_0006, "SDK version {0} does not satisfy {1}.")
ShuttingDown = ServiceUnavailableError.declare("api.process.shutting_down", 0x02_02_0007, "The server is shutting down.")
TooManyRequests = TooManyRequestsError.declare("api.process.too_many_requests", 0x02_02_0008, "This user is over the request rate limit.")
AdminExists = PreconditionError.declare("api.process.admin_exists", 0x02_02_0009, "There already is an administrator.")
UnauthorizedOrigin = UnauthorizedError.declare("api.process.unauthorized_origin", 0x02_02_000C, 'Origin "{0}" is not allowed.')
TooManyLogins = TooManyRequestsError.declare("api.process.too_many_logins_requests", 0x02_02_000D, "Too many logins; try again later.")

# network.http
RequestTooLarge = SizeLimitError.declare("network.http.request_too_large", 0x03_01_0001, "The request is larger than the server accepts.")
HttpError = BadRequestError.declare("network.http.unexpected_error", 0x03_01_0002, "The request cannot be read: {0}.")
TooManyEncodings = BadRequestError.declare("network.http.too_many_encodings", 0x03_01_0003, "The body has too many content encodings.")
UnsupportedCompression = BadRequestError.declare("network.http.unsupported_compression", 0x03_01_0004, 'Content encoding "{0}" is not supported.')
UnsupportedVerb = BadRequestError.declare("network.http.unsupported_verb", 0x03_01_0006, 'HTTP method "{0}" is not supported.')
UrlNotFound = NotFoundError.declare("network.http.url_not_found", 0x03_01_0007, 'No action at "{0}".')
UnsupportedContent = BadRequestError.declare("network.http.unsupported_content", 0x03_01_0008, 'Content type "{0}" is not supported.')
UnsupportedCharset = BadRequestError.declare("network.http.unsupported_charset", 0x03_01_0009, 'Charset "{0}" is not supported.')
VolatileParseFailed = BadRequestError.declare("network.http.volatile_parse_failed", 0x03_01_000B, "The volatile header cannot be read: {0}.")
BodyParseFailed = BadRequestError.declare("network.http.body_parse_failed", 0x03_01_000C, "The body cannot be parsed: {0}.")

# network.websocket
WebSocketError = BadRequestError.declare("network.websocket.unexpected_error", 0x03_03_0001, "WebSocket error: {0}.")
TooManyMessages = TooManyRequestsError.declare("network.websocket.ratelimit_exceeded", 0x03_03_0002, "This socket sends too many messages.")

# plugin
Unserializable = PluginImplementationError.declare("plugin.controller.unserializable_response", 0x04_04_0008, "What the action returned cannot be sent.")
PluginUnexpectedError = PluginImplementationError.declare("plugin.runtime.unexpected_error", 0x04_02_0002, "Unexpected plugin error: {0}.")
StrategyNotRegistered = PluginImplementationError.declare("plugin.strategy.failed_registration", 0x04_03_000D, 'Strategy "{0}" could not be registered: {1}.')
InvalidVerdict = PluginImplementationError.declare("plugin.strategy.invalid_verify_resolve", 0x04_03_000F, "Strategy {0} gave no verdict.")
InvalidKuid = PluginImplementationError.declare("plugin.strategy.invalid_kuid", 0x04_03_0010, "Strategy {0} must give a text as kuid, got {1}.")
StrategyOfAnother = PluginImplementationError.declare("plugin.strategy.unauthorized_removal", 0x04_03_0012, 'Strategy "{0}" belongs to another plugin.')
LoginRefused = LoginRefusal.declare("plugin.strategy.missing_user", 0x04_03_0014, "{0}")
MissingOptionalMethod = PluginImplementationError.declare("plugin.strategy.missing_optional_method", 0x04_03_0015, 'Hook "{0}" is missing in strategy "{1}".')

# security.token
TokenInvalid = UnauthorizedError.declare("security.token.invalid", 0x07_01_0001, "The supplied authentication token is not valid.")
TtlExceeded = BadRequestError.declare("security.token.ttl_exceeded", 0x07_01_0004, "The requested expiresIn is above the configured maximum.")
VerificationError = BadRequestError.declare("security.token.verification_error", 0x07_01_0007, "Token verification failed: {0}.")
RefreshForbidden = UnauthorizedError.declare("security.token.refresh_forbidden", 0x07_01_0008, "{0} is not refreshable.")
InvalidExpiration = BadRequestError.declare("security.token.invalid_expiration", 0x07_01_0009, '"{0}" must have an end for a token.')

# security.credentials
UnknownStrategy = BadRequestError.declare("security.credentials.unknown_strategy", 0x07_02_0001, 'No authentication strategy is named "{0}".')
CredentialsRejected = BadRequestError.declare("security.credentials.rejected", 0x07_02_0003, "The credentials were refused: {0}.")

# security.rights
AuthenticationRequired = UnauthorizedError.declare("security.rights.unauthorized", 0x07_03_0001, 'Authentication is needed to run "{0}:{1}".')
RightsMissing = ForbiddenError.declare("security.rights.forbidden", 0x07_03_0002, 'User "{2}" lacks the right to run "{0}:{1}".')

# security.user
UserAlreadyExists = PreconditionError.declare("security.user.already_exists", 0x07_04_0001, 'There already is a user "{0}".')
UserNotFound = NotFoundError.declare("security.user.not_found", 0x07_04_0002, 'No user "{0}".')
NoProfile = BadRequestError.declare("security.user.no_profile", 0x07_04_0007, 'User "{0}" needs at least one profile.')
AnonymousProfileRequired = BadRequestError.declare("security.user.anonymous_profile_required", 0x07_04_0003, "The anonymous user must keep the anonymous profile.")
PreventOverwrite = BadRequestError.declare("security.user.prevent_overwrite", 0x07_04_0006, "Existing users will not be overwritten.")

# security.role
RoleNotFound = NotFoundError.declare("security.role.not_found", 0x07_05_0001, 'No role "{0}".')
LoginRequired = BadRequestError.declare("security.role.login_required", 0x07_05_0002, "The anonymous role must keep the login action.")
RoleNotDeletable = BadRequestError.declare("security.role.cannot_delete", 0x07_05_0003, "The base roles anonymous, default and admin cannot be deleted.")
RoleInUse = PreconditionError.declare("security.role.in_use", 0x07_05_0004, 'Role "{0}" is in use and cannot be deleted.')
UnknownController = BadRequestError.declare("security.role.unknown_controller", 0x07_05_0009, 'Role "{0}" names a controller that does not exist: "{1}". {2}')
UnknownAction = BadRequestError.declare("security.role.unknown_action", 0x07_05_000A, 'Role "{0}" names an action that does not exist: "{1}" in controller "{2}". {3}')

# security.profile
ProfileNotFound = NotFoundError.declare("security.profile.not_found", 0x07_06_0001, 'No profile "{0}".')
ProfileNotDeletable = BadRequestError.declare("security.profile.cannot_delete", 0x07_06_0002, "The base profiles anonymous, default and admin cannot be deleted.")
ProfileInUse = PreconditionError.declare("security.profile.in_use", 0x07_06_0003, 'Profile "{0}" is in use and cannot be deleted.')
AnonymousRoleRequired = BadRequestError.declare("security.profile.missing_anonymous_role", 0x07_06_0005, "The anonymous profile must keep the anonymous role.")

# security.cookie
CookieInvalid = UnauthorizedError.declare("security.cookie.invalid", 0x07_07_0001, "The cookie cannot be read.")
CookieUnsupported = InternalError.declare("security.cookie.unsupported", 0x07_07_0002, "This server accepts no cookies; see the setting http.cookieAuthentication.")

# ours: domain 0x20
SecretInUrl = BadRequestError.declare("ostiary.request.secret_in_url", 0x20_01_0001, 'Secrets are not accepted in a URL ("{0}"); the setting http.allowCredentialsInUrl admits them.')
DuplicateKey = BadRequestError.declare("ostiary.request.duplicate_key", 0x20_01_0002, 'Key "{0}" stands twice in the same object.')
UnacceptableText = BadRequestError.declare("ostiary.request.unacceptable_text", 0x20_01_0003, "The request holds a NUL character or a lone surrogate.")
TooDeep = BadRequestError.declare("ostiary.request.too_deep", 0x20_01_0004, "The request is nested more than {0} levels deep.")
TooManyValues = BadRequestError.declare("ostiary.request.too_many_values", 0x20_01_0005, "The request holds more than {0} lists and objects.")
UserTooLarge = SizeLimitError.declare("ostiary.user.too_large", 0x20_03_0002, 'User "{0}" would be larger than {1} bytes.')
LastAdministrator = PreconditionError.declare("ostiary.user.last_administrator", 0x20_03_0001, 'User "{0}" is the last administrator.')
MissingRights = ForbiddenError.declare("ostiary.rights.escalation", 0x20_04_0001, '"{0}" would grant more than you may do yourself.')
TargetTooPowerful = ForbiddenError.declare("ostiary.rights.target", 0x20_04_0002, 'User "{0}" may do more than you.')
AdministratorsKeepRights = PreconditionError.declare("ostiary.rights.administrators", 0x20_04_0003, "Administrators must keep all rights.")
TooManyRights = SizeLimitError.declare("ostiary.rights.too_many", 0x20_04_0005, "There are more than {0} rights, one for each action and collection.")
RightsTooLarge = SizeLimitError.declare("ostiary.rights.too_large", 0x20_04_0004, '"{0}" would be larger than {1} bytes.')
ChangedMeanwhile = PreconditionError.declare("ostiary.rights.changed_meanwhile", 0x20_04_0006, '"{0}" is not as you have read it: somebody has changed it meanwhile.')
CredentialsExist = PreconditionError.declare("ostiary.credentials.exist", 0x20_05_0001, 'User "{0}" already has credentials for strategy "{1}".')
NoCredentials = PreconditionError.declare("ostiary.credentials.missing", 0x20_05_0002, 'User "{0}" has no credentials for strategy "{1}".')
LastWayIn = PreconditionError.declare("ostiary.credentials.last_way_in", 0x20_05_0003, 'Without these credentials for strategy "{1}" nothing would let user "{0}" in; "force" removes them all the same.')
ProofNeeded = ForbiddenError.declare("ostiary.credentials.proof_needed", 0x20_05_0004, "Before you get credentials of one more strategy, sign in again, or prove who you are as one of these strategies asks for it: {0}.")
StoreUnavailable = ServiceUnavailableError.declare("ostiary.storage.unavailable", 0x20_06_0001, "The storage cannot be reached now.")
TookTooLong = StoreUnavailable.declare("ostiary.storage.took_too_long", 0x20_06_0002, "What was asked of the storage took too long, and was broken off; ask for less.")
UnsupportedSearch = BadRequestError.declare("ostiary.search.unsupported", 0x20_07_0001, '"{0}" is not supported in a search.')
PageTooLarge = SizeLimitError.declare("ostiary.search.page_too_large", 0x20_07_0002, "The page would have more than {0} characters; ask for fewer documents at once.")
DevOnly = ForbiddenError.declare("ostiary.admin.dev_only", 0x20_08_0001, "This is done by a server that runs with --dev only.")
NoDocuments = BadRequestError.declare("ostiary.admin.no_documents", 0x20_08_0002, 'This server keeps no documents: "{0}" cannot be loaded.')
SessionNotFound = NotFoundError.declare("ostiary.session.not_found", 0x20_09_0001, 'No session "{0}".')
FlowOver = UnauthorizedError.declare("ostiary.login.flow_over", 0x20_0E_0001, "This login is over, or was begun elsewhere; begin again.")
ReturnRefused = BadRequestError.declare("ostiary.login.return_address", 0x20_0E_0002, 'Browsers are not sent to the address in "returnTo": the setting security.returnAddresses lists those where they may be, over HTTP.')
NotHeldBack = NotFoundError.declare("ostiary.login.not_held_back", 0x20_0E_0010, 'Nobody is held back under "{0}".')
TooManyKeys = PreconditionError.declare("ostiary.keys.too_many", 0x20_0A_0001, 'User "{0}" has {1} API keys; no more are made.')
TooManyRooms = PreconditionError.declare("ostiary.realtime.too_many_rooms", 0x20_0C_0001, "This connection is subscribed to {0} rooms; it may enter no more.")
CrossSite = ForbiddenError.declare("ostiary.request.cross_site", 0x20_01_0006, "A request that a cookie identifies, or that asks for one, must come as JSON from the server's own pages or an origin that http.accessControlAllowOrigin names; a link to a login with cookieAuth must be on a page of the same site as the server.")
ForeignPage = ForbiddenError.declare("ostiary.request.foreign_page", 0x20_01_0007, 'With --dev, pages of "{0}" may do no more than on a closed server; the setting http.accessControlAllowOrigin lists the origins that may.')
PluginTimeout = PluginTimeoutError.declare("ostiary.plugin.timeout", 0x20_18_0001, "The {0} did not answer in time.")
PluginUnavailable = ServiceUnavailableError.declare("ostiary.plugin.unavailable", 0x20_18_0002, "The {0} does not answer at the moment; it is left alone for a while.")
PluginDisabled = ServiceUnavailableError.declare("ostiary.plugin.disabled", 0x20_18_0003, 'Strategy "{0}" is disabled: its plugin could not be loaded; the log of the server says why.')
LoginsClosed = ServiceUnavailableError.declare("ostiary.plugin.logins_closed", 0x20_18_0004, "Nobody can sign in: a plugin that took part in every login is missing; the log of the server says which.")
Failsafe = ServiceUnavailableError.declare("ostiary.server.failsafe", 0x20_18_0005, "The server runs without plugins, for administrators only.")

# fmt: on
