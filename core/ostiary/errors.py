"""Every error that the server can answer with, declared once.

Raise an error with the values that its message asks for::

    raise errors.TokenInvalid
    raise errors.MissingArgument("body.username")

A code spells the domain, the family within it and the error: ``0x07_01_0001``.
The envelope, the OpenAPI document and the error reference all read
``CATALOGUE``, so a client never meets an error that is not declared here.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

CATALOGUE: dict[str, type[OstiaryError]] = {}


class OstiaryError(Exception):
    """An error that is shown to the client.

    :param props: the values of the message; they travel beside it.
    :param retry_after: seconds after which the same request may succeed (RFC 9110, 10.2.3).
    :param extra: members that the JSON form of this one error has besides the usual.
    """

    status: ClassVar[int]
    id: ClassVar[str]
    code: ClassVar[int]
    message: ClassVar[str]

    def __init__(self, *props: object, retry_after: int | None = None, **extra: Any) -> None:
        self.props = [str(prop) for prop in props]
        self.retry_after = retry_after
        self.extra = extra
        super().__init__(self.message.format(*self.props))

    @classmethod
    def declare(cls, id: str, code: int, message: str) -> type[Self]:
        """Return a new error of this status; the id and the code must be free."""
        if id in CATALOGUE or any(error.code == code for error in CATALOGUE.values()):
            raise ValueError(f"error {id!r} or its code {code:#010x} is declared twice")
        error = type(id, (cls,), {"id": id, "code": code, "message": message})
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


class BadRequestError(OstiaryError):
    """The request is wrong, and would be wrong again."""

    status = 400


class UnauthorizedError(OstiaryError):
    """Nobody is known to ask."""

    status = 401


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


class PluginImplementationError(OstiaryError):
    """A plugin is at fault."""

    status = 500


class ServiceUnavailableError(OstiaryError):
    """The server cannot answer now; see ``Retry-After``."""

    status = 503


# fmt: off

# core
UnexpectedError = InternalError.declare("core.fatal.unexpected_error", 0x00_00_0001, "Unexpected error: {0}.")

# services
SearchAsAnId = BadRequestError.declare("services.storage.search_as_an_id", 0x01_01_000F, '"_search" cannot be an id.')

# api.assert
InvalidType = BadRequestError.declare("api.assert.invalid_type", 0x02_01_0001, 'Argument "{0}" has the wrong type, {1} wanted.')
InvalidArgument = BadRequestError.declare("api.assert.invalid_argument", 0x02_01_0002, 'Argument "{0}" is invalid, wanted: {1}.')
MissingArgument = BadRequestError.declare("api.assert.missing_argument", 0x02_01_0003, 'Argument "{0}" is missing.')
BodyRequired = BadRequestError.declare("api.assert.body_required", 0x02_01_0008, "This request needs a body.")
ForbiddenArgument = BadRequestError.declare("api.assert.forbidden_argument", 0x02_01_000B, 'Argument "{0}" may not be given to this action.')

# api.process
ActionLocked = PreconditionError.declare("api.process.action_locked", 0x02_02_0001, '"{0}" is already running.')
Overloaded = ServiceUnavailableError.declare("api.process.overloaded", 0x02_02_0002, "The server is overloaded; the request was dropped.")
ControllerNotFound = NotFoundError.declare("api.process.controller_not_found", 0x02_02_0004, 'No controller "{0}".')
ActionNotFound = NotFoundError.declare("api.process.action_not_found", 0x02_02_0005, 'No action "{0}":"{1}".')
IncompatibleSdk = BadRequestError.declare("api.process.incompatible_sdk_version", 0x02_02_0006, "SDK version {0} does not satisfy {1}.")
TooManyRequests = TooManyRequestsError.declare("api.process.too_many_requests", 0x02_02_0008, "This user is over the request rate limit.")
AdminExists = PreconditionError.declare("api.process.admin_exists", 0x02_02_0009, "There already is an administrator.")
UnauthorizedOrigin = UnauthorizedError.declare("api.process.unauthorized_origin", 0x02_02_000C, 'Origin "{0}" is not allowed.')
TooManyLogins = TooManyRequestsError.declare("api.process.too_many_logins_requests", 0x02_02_000D, "Too many logins; try again later.")

# network.http
RequestTooLarge = SizeLimitError.declare("network.http.request_too_large", 0x03_01_0001, "The request is larger than the server accepts.")
HttpError = BadRequestError.declare("network.http.unexpected_error", 0x03_01_0002, "The request cannot be read: {0}.")
UnsupportedCompression = BadRequestError.declare("network.http.unsupported_compression", 0x03_01_0004, 'Content encoding "{0}" is not supported.')
UnsupportedVerb = BadRequestError.declare("network.http.unsupported_verb", 0x03_01_0006, 'HTTP method "{0}" is not supported.')
UrlNotFound = NotFoundError.declare("network.http.url_not_found", 0x03_01_0007, 'No action at "{0}".')
UnsupportedContent = BadRequestError.declare("network.http.unsupported_content", 0x03_01_0008, 'Content type "{0}" is not supported.')
UnsupportedCharset = BadRequestError.declare("network.http.unsupported_charset", 0x03_01_0009, 'Charset "{0}" is not supported.')
VolatileParseFailed = BadRequestError.declare("network.http.volatile_parse_failed", 0x03_01_000B, "The volatile header cannot be read: {0}.")
BodyParseFailed = BadRequestError.declare("network.http.body_parse_failed", 0x03_01_000C, "The body cannot be parsed: {0}.")

# network.websocket
WebSocketError = BadRequestError.declare("network.websocket.unexpected_error", 0x03_03_0001, "WebSocket error: {0}.")

# plugin
PluginUnexpectedError = PluginImplementationError.declare("plugin.runtime.unexpected_error", 0x04_02_0002, "Unexpected plugin error: {0}.")
InvalidVerdict = PluginImplementationError.declare("plugin.strategy.invalid_verify_resolve", 0x04_03_000F, "Strategy {0} gave no verdict.")
InvalidKuid = PluginImplementationError.declare("plugin.strategy.invalid_kuid", 0x04_03_0010, "Strategy {0} must give a text as kuid, got {1}.")
LoginRefused = UnauthorizedError.declare("plugin.strategy.missing_user", 0x04_03_0014, "{0}")

# security.token
TokenInvalid = UnauthorizedError.declare("security.token.invalid", 0x07_01_0001, "The supplied authentication token is not valid.")
TtlExceeded = BadRequestError.declare("security.token.ttl_exceeded", 0x07_01_0004, "The requested expiresIn is above the configured maximum.")
VerificationError = BadRequestError.declare("security.token.verification_error", 0x07_01_0007, "Token verification failed: {0}.")
RefreshForbidden = UnauthorizedError.declare("security.token.refresh_forbidden", 0x07_01_0008, "{0} is not refreshable.")

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

# security.profile
ProfileNotFound = NotFoundError.declare("security.profile.not_found", 0x07_06_0001, 'No profile "{0}".')

# ours: domain 0x20
SecretInUrl = BadRequestError.declare("ostiary.request.secret_in_url", 0x20_01_0001, 'Secrets are not accepted in a URL ("{0}"); the setting http.allowCredentialsInUrl admits them.')
DuplicateKey = BadRequestError.declare("ostiary.request.duplicate_key", 0x20_01_0002, 'Key "{0}" stands twice in the same object.')
UnacceptableText = BadRequestError.declare("ostiary.request.unacceptable_text", 0x20_01_0003, "The request holds a NUL character or a lone surrogate.")
TooDeep = BadRequestError.declare("ostiary.request.too_deep", 0x20_01_0004, "The request is nested more than {0} levels deep.")
TooManyValues = BadRequestError.declare("ostiary.request.too_many_values", 0x20_01_0005, "The request holds more than {0} lists and objects.")
UserTooLarge = SizeLimitError.declare("ostiary.user.too_large", 0x20_03_0002, 'User "{0}" would be larger than {1} bytes.')
LastAdministrator = PreconditionError.declare("ostiary.user.last_administrator", 0x20_03_0001, 'User "{0}" is the last administrator.')
MissingRights = ForbiddenError.declare("ostiary.rights.escalation", 0x20_04_0001, 'Profile "{0}" grants more than you may do yourself.')
CredentialsExist = PreconditionError.declare("ostiary.credentials.exist", 0x20_05_0001, 'User "{0}" already has credentials for strategy "{1}".')
NoCredentials = PreconditionError.declare("ostiary.credentials.missing", 0x20_05_0002, 'User "{0}" has no credentials for strategy "{1}".')
StoreUnavailable = ServiceUnavailableError.declare("ostiary.storage.unavailable", 0x20_06_0001, "The storage cannot be reached now.")

# fmt: on
