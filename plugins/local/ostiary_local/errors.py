"""The errors of the local strategy, under the name that clients know the plugin by."""

from __future__ import annotations

from ostiary import errors

WIRE_NAME = "kuzzle-plugin-auth-passport-local"
"""What the plugin is called on the wire."""

_ID = f"plugin.{WIRE_NAME}."

# fmt: off
ExpiredPassword = errors.LoginRefusal.declare(_ID + "expired_password", 0x04_00_0001, "The password has expired: it has to be changed.")
LoginInPassword = errors.BadRequestError.declare(_ID + "login_in_password", 0x04_00_0004, "The password must not contain the name of its user.")
MustChangePassword = errors.LoginRefusal.declare(_ID + "must_change_password", 0x04_00_0005, "The password was set by somebody else: it has to be changed.")
ReusedPassword = errors.BadRequestError.declare(_ID + "reused_password", 0x04_00_0006, "The password was used before.")
WeakPassword = errors.BadRequestError.declare(_ID + "weak_password", 0x04_00_0007, "The password is not what the rules for it ask for.")
KuidForbidden = errors.BadRequestError.declare(_ID + "kuid_forbidden", 0x04_00_0101, "Credentials may not name a kuid.")
MissingUsername = errors.BadRequestError.declare(_ID + "missing_username", 0x04_00_0102, "A user name is needed.")
MissingPassword = errors.BadRequestError.declare(_ID + "missing_password", 0x04_00_0103, "A password is needed.")
NothingToUpdate = errors.BadRequestError.declare(_ID + "nothing_to_update", 0x04_00_0104, "A user name, an e-mail address, a telephone number or a password is needed.")
InvalidUsername = errors.BadRequestError.declare(_ID + "invalid_username", 0x04_00_0105, "The user name {0}.")
InvalidPassword = errors.BadRequestError.declare(_ID + "invalid_password", 0x04_00_0106, "The password {0}.")
PasswordTooShort = errors.BadRequestError.declare(_ID + "password_too_short", 0x04_00_0107, "A password has at least {0} characters.")
UsernameTaken = errors.PreconditionError.declare(_ID + "username_taken", 0x04_00_0108, 'The name "{0}" is taken.')
AccountExists = errors.PreconditionError.declare(_ID + "account_exists", 0x04_00_0109, 'User "{0}" already has a user name and a password.')
NoAccount = errors.PreconditionError.declare(_ID + "no_account", 0x04_00_010A, 'User "{0}" has no user name and password.')
NoSuchAccount = errors.PreconditionError.declare(_ID + "no_such_account", 0x04_00_010B, 'There is no user name "{0}".')
PrivateField = errors.ForbiddenError.declare(_ID + "private_field", 0x04_00_010C, '"{0}" cannot be searched for: nobody may see it.')
NotSearched = errors.BadRequestError.declare(_ID + "not_searched", 0x04_00_010D, 'Accounts are not searched by "{0}".')
MailOff = errors.PreconditionError.declare(_ID + "mail_off", 0x04_00_0138, "This server sends no such mail.")
NothingToVerify = errors.PreconditionError.declare(_ID + "nothing_to_verify", 0x04_00_0139, "This is no e-mail address of yours that waits to be verified.")
TooMuchMail = errors.TooManyRequestsError.declare(_ID + "too_much_mail", 0x04_00_013A, "Too much mail was asked for; try again later.")
PasswordTooLong = errors.BadRequestError.declare(_ID + "password_too_long", 0x04_00_0120, "A password has at most {0} characters.")
ExpectedPassword = errors.BadRequestError.declare(_ID + "expected_password", 0x04_00_0121, "The password is a name of the user or a word of this service. Choose another one.")
CommonPassword = errors.BadRequestError.declare(_ID + "common_password", 0x04_00_0122, "The password is on a list of common or leaked passwords. Choose another one.")
GuessablePassword = errors.BadRequestError.declare(_ID + "guessable_password", 0x04_00_0123, "The password is too easy to guess. {0}")

ExpiredToken = errors.UnauthorizedError.declare(_ID + "expired_token", 0x04_00_0002, "The reset token has expired.")
InvalidToken = errors.BadRequestError.declare(_ID + "invalid_token", 0x04_00_0003, "The reset token is not valid.")
MissingCurrentPassword = errors.BadRequestError.declare(_ID + "missing_current_password", 0x04_00_0130, "The current password is needed.")
WrongCurrentPassword = errors.ForbiddenError.declare(_ID + "wrong_current_password", 0x04_00_0131, "The current password is wrong.")
NothingToReset = errors.BadRequestError.declare(_ID + "nothing_to_reset", 0x04_00_0132, 'User "{0}" has no password to reset.')
OwnPassword = errors.ForbiddenError.declare(_ID + "own_password", 0x04_00_0133, "Nobody makes a reset token for themselves: it takes the current password to change your own.")
InvalidEmail = errors.BadRequestError.declare(_ID + "invalid_email", 0x04_00_0128, "The e-mail address {0}.")
InvalidPhone = errors.BadRequestError.declare(_ID + "invalid_phone", 0x04_00_0129, "The telephone number {0}.")
NoNameLeft = errors.BadRequestError.declare(_ID + "no_name_left", 0x04_00_012A, "An account needs a user name, an e-mail address or a telephone number.")
TooManyNames = errors.BadRequestError.declare(_ID + "too_many_names", 0x04_00_012B, "An account has at most {0} names.")
VerifiedForbidden = errors.ForbiddenError.declare(_ID + "verified_forbidden", 0x04_00_012C, "Only administrators say that an address is verified.")
InvalidVerified = errors.BadRequestError.declare(_ID + "invalid_verified", 0x04_00_012D, "What is verified {0}.")
NoSuchName = errors.PreconditionError.declare(_ID + "no_such_name", 0x04_00_012E, '"{0}" is no e-mail address or telephone number of the user.')
InvalidVerificationToken = errors.BadRequestError.declare(_ID + "invalid_verification_token", 0x04_00_012F, "The token verifies nothing, or no more.")
# fmt: on
